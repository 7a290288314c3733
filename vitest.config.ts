import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

const shared = {
  globals: true,
  environment: 'node' as const,
};

export default defineConfig({
  resolve: {
    alias: [
      { find: /^rxfleet$/, replacement: source('index.ts') },
      { find: /^rxfleet\/(lumen|aio|auth|config|registration|testing)$/, replacement: source('$1/index.ts') },
      { find: /^rxfleet\/(transport|discovery|registration|metrics)\/(.+)$/, replacement: source('$1/$2.ts') },
    ],
  },
  test: {
    projects: [
      { extends: true, test: { ...shared, name: 'marbles', include: ['marbles/**/*.marbles.ts'] } },
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
});
