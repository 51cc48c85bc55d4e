// Draws one frame: placement, interpolation, smoothing or sharpening, grey levels, colour map.

import { invert, type Affine } from "../geometry/view";
import type { ColormapName } from "../pixels/colormap";
import type { Pixels } from "../pixels/pixels";
import type { Voi } from "../pixels/voi";
import { GREY } from "./grey.glsl";
import type { Rect, Stage } from "./stage";

export interface ImageDrawing {
  readonly pixels: Pixels;
  readonly size: readonly [columns: number, rows: number]; // of the image, whatever the pixels are reduced to
  readonly imageToScreen: Affine; // CSS pixels of the pane
  readonly rescale: readonly [slope: number, intercept: number];
  readonly padding?: readonly [number, number];
  readonly voi: Voi;
  readonly inverse: boolean;
  readonly colormap?: ColormapName;
  readonly interpolate: boolean;
  readonly filter: number; // -1 smooth ... 0 as it is ... +3 sharp
}

/**
 * Where the image lies in the coordinates of its pixels, which may be reduced. Sample i of a
 * reduced picture stands where sample i * n of the whole one does (ISO/IEC 15444-1 annex F), so the
 * first samples' middles are in one place: (0.5, 0.5) in both.
 */
export function boundsOf({ size, pixels: { reduced } }: ImageDrawing): readonly [left: number, top: number, right: number, bottom: number] {
  const at = (v: number): number => (v - 0.5) / reduced + 0.5;
  return [at(0), at(0), at(size[0]), at(size[1])];
}

function source(sampler: string, colour: boolean): string {
  return `#version 300 es
precision highp float;
precision highp int;
${GREY}
uniform highp ${sampler}2D u_image;
uniform mat3 u_to_image;   // device pixel -> image coordinates
uniform vec2 u_size;
uniform vec4 u_bounds;     // left, top, right, bottom
uniform vec2 u_padding;
uniform bool u_padded;
uniform bool u_interpolate;
uniform float u_filter;
out vec4 color;

#define VALUE ${colour ? "vec3" : "float"}
VALUE stored(ivec2 at) {
  at = clamp(at, ivec2(0), ivec2(u_size) - 1);
  return VALUE(texelFetch(u_image, at, 0).${colour ? "rgb" : "r"})${colour ? " * 255.0" : ""};
}
VALUE at(vec2 p) {
  if (!u_interpolate) return stored(ivec2(floor(p)));
  vec2 q = p - 0.5;
  ivec2 i = ivec2(floor(q));
  vec2 f = q - vec2(i);
  return mix(mix(stored(i), stored(i + ivec2(1, 0)), f.x),
             mix(stored(i + ivec2(0, 1)), stored(i + ivec2(1, 1)), f.x), f.y);
}
void main() {
  vec2 p = (u_to_image * vec3(gl_FragCoord.xy, 1.0)).xy;
  if (any(lessThan(p, u_bounds.xy)) || any(greaterThanEqual(p, u_bounds.zw))) { color = vec4(0.0, 0.0, 0.0, 1.0); return; }
  VALUE value = at(p);
  if (u_filter != 0.0) {
    VALUE around = (at(p + vec2(1.0, 0.0)) + at(p - vec2(1.0, 0.0)) + at(p + vec2(0.0, 1.0)) + at(p - vec2(0.0, 1.0))) * 0.15
      + (at(p + vec2(1.0)) + at(p - vec2(1.0)) + at(p + vec2(1.0, -1.0)) + at(p + vec2(-1.0, 1.0))) * 0.1;
    value += u_filter * (value - around);
  }
${
  colour
    ? `  color = vec4(level(value.r), level(value.g), level(value.b), 1.0);
  if (u_inverse) color.rgb = 1.0 - color.rgb;`
    : `  if (u_padded) {
    float exact = stored(ivec2(floor(p)));
    if (exact >= u_padding.x && exact <= u_padding.y) { color = vec4(0.0, 0.0, 0.0, 1.0); return; }
  }
  color = shade(value * u_rescale.x + u_rescale.y);`
}
}`;
}

export function drawImage(stage: Stage, rect: Rect, drawing: ImageDrawing): void {
  const { gl } = stage;
  const { left, top, ratio } = stage.begin(rect);
  const { pixels } = drawing;
  const colour = pixels.samples === 3;
  const { texture, sampler } = stage.image(pixels);
  const program = stage.program(`image ${sampler} ${colour}`, () => source(sampler, colour));
  gl.activeTexture(gl.TEXTURE0);
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.uniform1i(program.at("u_image"), 0);
  // gl_FragCoord counts device pixels from the canvas' lower left; the affine, CSS pixels from the
  // pane's upper left.
  const [a, b, c, d, e, f] = invert(drawing.imageToScreen);
  const x0 = -left / ratio;
  const y0 = top / ratio;
  const n = 1 / pixels.reduced;
  const s = n / ratio;
  const shift = 0.5 - 0.5 * n;
  gl.uniformMatrix3fv(program.at("u_to_image"), false, [
    a * s, b * s, 0,
    -c * s, -d * s, 0,
    (a * x0 + c * y0 + e) * n + shift, (b * x0 + d * y0 + f) * n + shift, 1,
  ]);
  gl.uniform4fv(program.at("u_bounds"), boundsOf(drawing));
  gl.uniform2f(program.at("u_size"), pixels.columns, pixels.rows);
  gl.uniform1i(program.at("u_interpolate"), drawing.interpolate ? 1 : 0);
  gl.uniform1f(program.at("u_filter"), drawing.filter);
  gl.uniform1i(program.at("u_padded"), drawing.padding ? 1 : 0);
  if (drawing.padding) gl.uniform2f(program.at("u_padding"), drawing.padding[0], drawing.padding[1]);
  stage.grey(program, drawing.voi, colour ? [1, 0] : drawing.rescale, drawing.inverse, colour ? undefined : drawing.colormap);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
}
