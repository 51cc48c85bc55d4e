// What stands behind WebGL2 here: a GPU, a program that imitates one, or nothing.

export type WebGl = "gpu" | "software" | "none";

const IMITATIONS = /swiftshader|llvmpipe|softpipe|software|basic render/i;

let found: WebGl | undefined;

/** Asked once; it takes some milliseconds. */
export function webGl(): WebGl {
  return (found ??= ask());
}

function ask(): WebGl {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return "none";
  // "Major performance caveat" would be the attribute for this, but Chromium without a GPU has none.
  const named = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = String(gl.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return IMITATIONS.test(renderer) ? "software" : "gpu";
}
