// Five pages (worklist, reading, report worklists, administration, sign-in), one decode worker, WASM codecs as files of their own.
// `DICOMWEB=http://127.0.0.1:8000 npm run dev` serves the sources with hot reload in front of a
// running server.
import { resolve } from "node:path";
import { defineConfig, type HtmlTagDescriptor, type Plugin } from "vite";

const pages = resolve(import.meta.dirname, "html");
const server = process.env["DICOMWEB"] ?? "http://127.0.0.1:8000";

/**
 * The reading page's first script runs as soon as it is there, and waits for no style sheet; what it
 * asks for is named in the page, to be fetched beside it.
 */
const sideBySide: Plugin = {
  name: "side-by-side",
  transformIndexHtml: {
    order: "post",
    handler(html, { bundle, filename }) {
      if (!bundle || !filename.endsWith("read.html")) return [];
      const named = (pattern: RegExp): string[] => Object.keys(bundle).filter((name) => pattern.test(name));
      const tag = (kind: string, attrs: HtmlTagDescriptor["attrs"], injectTo: "head" | "head-prepend" = "head-prepend"): HtmlTagDescriptor => ({
        tag: kind,
        attrs: { crossorigin: true, ...attrs },
        injectTo,
      });
      const tags = [
        ...named(/first.*\.js$/).map((file) => tag("script", { type: "module", async: true, src: `./${file}` })),
        ...named(/openjph.*\.wasm$/).map((file) => tag("link", { rel: "preload", as: "fetch", href: `./${file}` })),
        ...named(/worker.*\.js$/).map((file) => tag("link", { rel: "modulepreload", href: `./${file}` }, "head")),
      ];
      return { html: html.replace(/ *<script [^>]*\/first-[^>]*><\/script>\n/, ""), tags };
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
      // Few files: each costs a round trip, and a browser has six connections. What the reading page
      // needs for its first image is eight: the opening, `first` (what asks for it and has its image
      // decoded), the codec, `shared`, `main` (what no other page uses), a style of each, the worker.
      // `first` is there so soon that its connection takes `main`.
      output: {
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            { name: "first", test: /src.(reading.ahead|net.(early|address|multipart)|decode.(pool|parts)|dicom.(format|json|tags)|render.webgl)\b|openjphjs\.wasm|preload-helper/, priority: 2 },
            { name: "shared", test: /src.(ui|i18n|access|net|dicom|report.(model|units))\b|node_modules.(preact|@preact)/, minShareCount: 2, priority: 1 },
            { name: "main", test: /src.(reading.(?!film|pdf)|tools|render|geometry|pixels|decode|dicom|net.(?!api)|report.insertion|access.kept)/ },
          ],
        },
      },
      input: ["index", "read", "reports", "admin", "signin"].map((name) => resolve(pages, `${name}.html`)),
    },
  },
});
