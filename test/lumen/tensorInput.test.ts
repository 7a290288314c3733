import fc from 'fast-check';
import { tensorMeta, type TensorInput } from '../../src/lumen/tensorInput.js';

const sizes = { fp32: 4, fp16: 2, uint8: 1, int64: 8 } as const;

describe('tensorMeta', () => {
  it('takes exactly the payloads that have the size of the tensor (property)', () => {
    const tensors = fc.record({
      dtype: fc.constantFrom<TensorInput['dtype']>('fp32', 'fp16', 'uint8', 'int64'),
      shape: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 4 }),
      layout: fc.constantFrom<TensorInput['layout']>('NCHW', 'NHWC'),
    });
    fc.assert(
      fc.property(tensors, fc.integer({ min: 1, max: 5 }), (tensor, off) => {
        const bytes = tensor.shape.reduce((product, n) => product * n, sizes[tensor.dtype]);
        expect(tensorMeta(tensor, bytes)['lumen.tensor.shape']).toBe(JSON.stringify(tensor.shape));
        expect(() => tensorMeta(tensor, bytes + off)).toThrow(`has ${bytes} bytes, the payload has ${bytes + off}`);
      }),
    );
  });

  it.each([[[0, 1, 1]], [[1.5, 1, 1]], [[1, 1]], ['1,1,1'], [[-1, -1, 1]], [[Number.NaN, 1, 1]]])(
    'refuses the shape %j',
    (shape) => {
      expect(() => tensorMeta({ dtype: 'uint8', layout: 'CHW', shape: shape as never }, 1)).toThrow('tensor.shape');
    },
  );
});
