// `npm test` runs the unit tests; browser tests run when VIEWER_URL names a server to test against.
import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: import.meta.dirname,
  test: {
    environment: "node",
    include: [
      "tests/unit/**/*.test.ts",
      ...(process.env["VIEWER_URL"] ? ["tests/{browser,screens}/**/*.test.ts"] : []),
      ...(process.env["VIEWER_PASSWORD"] ? ["tests/reporting/**/*.test.ts"] : []),
    ],
    setupFiles: [resolve(import.meta.dirname, "tests/setup.ts")],
    testTimeout: 240_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
