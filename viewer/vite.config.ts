// Two pages (worklist, reading), one decode worker, WASM codecs as files of their own.
// `DICOMWEB=http://127.0.0.1:8000 npm run dev` serves the sources with hot reload in front of a
// running server.
import { resolve } from "node:path";
import { defineConfig } from "vite";

const pages = resolve(import.meta.dirname, "html");
const server = process.env["DICOMWEB"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  root: pages,
  base: "./",
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: {
    port: 5173,
    fs: { allow: [import.meta.dirname] },
    proxy: { "/dicom-web": server, "/api": server },
  },
  // The pages' "../src" is "/src" to a browser, above the root of what is served in development.
  resolve: { alias: { "/src": resolve(import.meta.dirname, "src") } },
  worker: { format: "es" },
  optimizeDeps: {
    include: [
      "@cornerstonejs/codec-openjph/wasmjs",
      "@cornerstonejs/codec-openjpeg/decodewasmjs",
      "@cornerstonejs/codec-charls/decodewasmjs",
      "@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs",
    ],
  },
  build: {
    outDir: resolve(import.meta.dirname, "dist"),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { index: resolve(pages, "index.html"), read: resolve(pages, "read.html") },
    },
  },
});
