// Five pages (worklist, reading, report worklists, administration, sign-in), one decode worker, WASM codecs as files of their own.
// `DICOMWEB=http://127.0.0.1:8000 npm run dev` serves the sources with hot reload in front of a
// running server.
import { resolve } from "node:path";
import { defineConfig, type HtmlTagDescriptor, type Plugin } from "vite";

const pages = resolve(import.meta.dirname, "html");
const server = process.env["DICOMWEB"] ?? "http://127.0.0.1:8000";

/**
 * The reading page begins with a few kilobytes (reading/ahead.ts). What it needs next is named in
 * the page, so that all of it is fetched side by side: the page proper, its style, the worker, and
 * the codec that the archive keeps most frames for.
 */
const sideBySide: Plugin = {
  name: "side-by-side",
  transformIndexHtml: {
    order: "post",
    handler(html, { bundle, filename }) {
      if (!bundle || !filename.endsWith("read.html")) return [];
      const main = Object.values(bundle).find((file) => file.type === "chunk" && file.facadeModuleId?.endsWith("reading/main.tsx"));
      if (main?.type !== "chunk") throw new Error("the reading page is not among what was built");
      const chunks = [main, ...main.imports.flatMap((name) => bundle[name] ?? [])];
      const css = new Set(chunks.flatMap((chunk) => ("viteMetadata" in chunk ? [...(chunk.viteMetadata?.importedCss ?? [])] : [])));
      const named = (pattern: RegExp): string[] => Object.keys(bundle).filter((name) => pattern.test(name));
      const link = (attributes: Record<string, string | boolean>): HtmlTagDescriptor => ({ tag: "link", attrs: attributes, injectTo: "head" });
      return [
        ...chunks
          .filter(({ fileName }) => !html.includes(fileName))
          .map(({ fileName }) => link({ rel: "modulepreload", crossorigin: true, href: `./${fileName}` })),
        ...named(/worker.*\.js$/).map((file) => link({ rel: "modulepreload", crossorigin: true, href: `./${file}` })),
        ...[...css].map((file) => link({ rel: "stylesheet", crossorigin: true, href: `./${file}` })),
        ...named(/openjph.*\.wasm$/).map((file) => link({ rel: "preload", as: "fetch", crossorigin: true, href: `./${file}` })),
      ];
    },
  },
};

export default defineConfig({
  plugins: [sideBySide],
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
      // Few files: each costs a round trip, and a browser has six under way at a time.
      output: {
        codeSplitting: {
          groups: [
            { name: "ahead", test: /src.(net.(opening|dicomweb|multipart)|decode.(pool|parts)|dicom.(json|tags|format)|render.webgl)\.ts$|preload-helper/, priority: 2 },
            { name: "shared", test: /src.(ui|i18n|access|net|dicom)\b|node_modules.(preact|@preact)/, minShareCount: 3, priority: 1 },
          ],
        },
      },
      input: ["index", "read", "reports", "admin", "signin"].map((name) => resolve(pages, `${name}.html`)),
    },
  },
});
