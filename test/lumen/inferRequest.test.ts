import { FleetError } from '../../src/core/fleetError.js';
import { prepareRequest, type InferRequest } from '../../src/lumen/inferRequest.js';

const prepare = (request: Partial<InferRequest>) =>
  prepareRequest({ task: 'echo', payload: 'x', ...request } as InferRequest, () => 'new-id');
const refusal = (request: Partial<InferRequest>): string => {
  try {
    prepare(request);
  } catch (error) {
    expect(error).toBeInstanceOf(FleetError);
    expect((error as FleetError).code).toBe('INVALID_ARGUMENT');
    expect((error as FleetError).sent).toBe(false);
    return (error as FleetError).message;
  }
  return 'taken';
};
const bytes = new Uint8Array([1, 2, 3]);

describe('prepareRequest', () => {
  it('fills in the MIME type of text, of text tasks and of tensors', () => {
    expect(prepare({ payload: 'x' }).mime).toBe('text/plain');
    expect(prepare({ task: 'semantic_text_embed', payload: bytes }).mime).toBe('text/plain');
    expect(prepare({ task: 'clip_text_embed', payload: bytes }).mime).toBe('text/plain');
    const tensor = { dtype: 'uint8', shape: [1, 1, 3], layout: 'CHW' } as const;
    expect(prepare({ payload: bytes, tensor }).mime).toBe('application/octet-stream');
  });

  it('keeps the id that the user gives, and makes one where there is none', () => {
    expect(prepare({ correlationId: 'mine' }).correlationId).toBe('mine');
    expect(prepare({}).correlationId).toBe('new-id');
    expect(prepare({ correlationId: '' }).correlationId).toBe('new-id');
  });

  it('says model and service in the meta', () => {
    expect(prepare({ model: 'm', service: 's', meta: { a: 'b' } }).meta).toEqual({
      a: 'b',
      'lumen.model.id': 'm',
      service: 's',
    });
  });

  it('describes a tensor in the meta', () => {
    const tensor = { dtype: 'fp32', shape: [1, 3, 1, 1], layout: 'NCHW', preprocessId: 'p' } as const;
    expect(prepare({ payload: new Uint8Array(12), tensor }).meta).toEqual({
      'lumen.input.kind': 'tensor',
      'lumen.tensor.dtype': 'fp32',
      'lumen.tensor.shape': '[1,3,1,1]',
      'lumen.tensor.layout': 'NCHW',
      'lumen.tensor.format': 'contiguous',
      'lumen.tensor.byte_order': 'little',
      'lumen.preprocess.id': 'p',
      'lumen.preprocess.skip': 'true',
    });
  });

  it.each([
    ['an empty payload', { payload: '' }, 'is empty'],
    ['an empty payload of bytes', { payload: new Uint8Array(0), mime: 'image/png' }, 'is empty'],
    ['a payload that is neither text nor bytes', { payload: 7 as never }, 'text or a Uint8Array'],
    ['a missing MIME type', { task: 'ocr', payload: bytes }, 'needs a MIME type'],
    ['an empty MIME type', { task: 'ocr', payload: bytes, mime: ' ' }, 'needs a MIME type'],
    ['a missing task', { task: '' }, 'request.task'],
    ['no task at all', { task: undefined as never }, 'request.task'],
    ['an empty list of tasks', { task: [] }, 'request.task'],
    [
      'a picture for a text task',
      { task: 'semantic_text_embed', payload: bytes, mime: 'image/png' },
      'takes text/plain',
    ],
    ['text for a picture task', { task: 'ocr', payload: 'x' }, 'image/jpeg'],
    ['a picture that the hub cannot read', { task: 'ocr', payload: bytes, mime: 'image/gif' }, 'not image/gif'],
    ['the old tensor JSON', { payload: bytes, mime: 'application/vnd.lumen.tensor+json' }, 'no longer spoken'],
    [
      'a tensor of another size',
      { payload: bytes, tensor: { dtype: 'fp32', shape: [1, 1, 1], layout: 'CHW' } },
      'has 4 bytes, the payload has 3',
    ],
    [
      'a tensor of another rank',
      { payload: bytes, tensor: { dtype: 'uint8', shape: [3], layout: 'CHW' } },
      'tensor.shape',
    ],
    [
      'a tensor of no type',
      { payload: bytes, tensor: { dtype: 'x' as never, shape: [1, 1, 3], layout: 'CHW' } },
      'tensor.dtype',
    ],
    [
      'a tensor of no layout',
      { payload: bytes, tensor: { dtype: 'uint8', shape: [1, 1, 3], layout: 'x' as never } },
      'tensor.layout',
    ],
    [
      'a tensor with a MIME type of its own',
      { payload: bytes, mime: 'image/png', tensor: { dtype: 'uint8', shape: [1, 1, 3], layout: 'CHW' } },
      'application/octet-stream',
    ],
  ] satisfies [string, Partial<InferRequest>, string][])('refuses %s before any node is asked', (_, request, words) => {
    expect(refusal(request)).toContain(words);
  });

  it('takes a MIME type with parameters', () => {
    expect(refusal({ task: 'semantic_text_embed', mime: 'text/plain; charset=utf-8' })).toBe('taken');
    expect(refusal({ task: 'ocr', payload: bytes, mime: 'IMAGE/PNG' })).toBe('taken');
  });
});
