import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

const shared = {
  globals: true,
  environment: 'node' as const,
};

/** Where the marbles are drawn; undefined where nobody asks for pictures. */
const picturesOf = (mode: string) =>
  process.env.RXFLEET_PICTURES || (mode === 'pictures' ? 'marbles/.pictures' : undefined);

/** What draws them. A plain run of the tests writes nothing. */
const drawing = (pictures: string | undefined) =>
  pictures ? { env: { RXFLEET_PICTURES: pictures }, globalSetup: './test/support/drawnMarbles.ts' } : {};

export default defineConfig(({ mode }) => ({
  resolve: {
    alias: [
      { find: /^rxfleet$/, replacement: source('index.ts') },
      { find: /^rxfleet\/(lumen|aio|auth|config|registration|testing)$/, replacement: source('$1/index.ts') },
      { find: /^rxfleet\/(transport|discovery|registration|metrics)\/(.+)$/, replacement: source('$1/$2.ts') },
    ],
  },
  test: {
    projects: [
      {
        extends: true,
        test: { ...shared, name: 'marbles', include: ['marbles/**/*.marbles.ts'], ...drawing(picturesOf(mode)) },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'test',
          include: ['test/**/*.test.ts'],
          testTimeout: 20_000,
          hookTimeout: 60_000,
          pool: 'forks',
        },
      },
    ],
  },
}));
