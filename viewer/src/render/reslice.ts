// Draws a plane cut through a volume, or a slab of it (mean, maximum, minimum), trilinear.

import { toPatient, type Plane } from "../geometry/plane";
import { toVoxel, type Volume } from "../geometry/volume";
import { add, scale, subtract, type Vec3 } from "../geometry/vector";
import { invert, type Affine } from "../geometry/view";
import type { ColormapName } from "../pixels/colormap";
import type { Voi } from "../pixels/voi";
import { GREY } from "./grey.glsl";
import type { Rect, Stage } from "./stage";
import type { VolumeTexture } from "./volume";

export interface ResliceDrawing {
  readonly volume: Volume;
  readonly texture: VolumeTexture;
  readonly plane: Plane;
  readonly imageToScreen: Affine;
  readonly slab: { readonly mode: "mean" | "max" | "min"; readonly thickness: number };
  readonly voi: Voi;
  readonly inverse: boolean;
  readonly colormap?: ColormapName;
  /** Over what is there already, this opaque where the value is high; undefined: alone. */
  readonly opacity?: number;
}

function source(sampler: string): string {
  return `#version 300 es
precision highp float;
precision highp int;
${GREY}
uniform highp ${sampler}3D u_volume;
uniform vec3 u_origin;   // voxel coordinates at device pixel (0, 0)
uniform vec3 u_right;    // voxels a device pixel
uniform vec3 u_up;
uniform vec3 u_step;     // voxels a slab step
uniform int u_steps;
uniform int u_mode;      // 0 mean, 1 maximum, 2 minimum
uniform vec3 u_size;
uniform float u_opacity; // below 0: alone
out vec4 color;

float stored(ivec3 at) { return float(texelFetch(u_volume, clamp(at, ivec3(0), ivec3(u_size) - 1), 0).r); }
float row(ivec3 i, float f) { return mix(stored(i), stored(i + ivec3(1, 0, 0)), f); }
float at(vec3 p) {
  vec3 q = p - 0.5;
  ivec3 i = ivec3(floor(q));
  vec3 f = q - vec3(i);
  return mix(mix(row(i, f.x), row(i + ivec3(0, 1, 0), f.x), f.y),
             mix(row(i + ivec3(0, 0, 1), f.x), row(i + ivec3(0, 1, 1), f.x), f.y), f.z);
}
void main() {
  vec3 p = u_origin + u_right * gl_FragCoord.x + u_up * gl_FragCoord.y - u_step * float(u_steps - 1) * 0.5;
  float value = 0.0;
  int count = 0;
  for (int n = 0; n < u_steps; n++, p += u_step) {
    if (any(lessThan(p, vec3(0.0))) || any(greaterThanEqual(p, u_size))) continue;
    float v = at(p);
    value = count == 0 ? v : u_mode == 1 ? max(value, v) : u_mode == 2 ? min(value, v) : value + v;
    count++;
  }
  if (count == 0) {
    if (u_opacity >= 0.0) discard;
    color = vec4(0.0, 0.0, 0.0, 1.0);
    return;
  }
  if (u_mode == 0) value /= float(count);
  value = value * u_rescale.x + u_rescale.y;
  color = shade(value);
  if (u_opacity >= 0.0) color.a = u_opacity * min(level(value) * 2.0, 1.0);
}`;
}

export function drawReslice(stage: Stage, rect: Rect, drawing: ResliceDrawing): void {
  const { gl } = stage;
  const over = drawing.opacity !== undefined;
  const { left, top, ratio } = over ? stage.over(rect) : stage.begin(rect);
  const { volume, texture, plane, slab } = drawing;
  const program = stage.program(`reslice ${texture.sampler}`, () => source(texture.sampler));
  gl.activeTexture(gl.TEXTURE0);
  gl.bindTexture(gl.TEXTURE_3D, texture.texture);
  gl.uniform1i(program.at("u_volume"), 0);
  // Affine maps are fixed by three points: device pixels (0, 0), (1, 0) and (0, 1).
  const m = invert(drawing.imageToScreen);
  const voxelAt = (x: number, y: number): Vec3 => {
    const [sx, sy] = [(x - left) / ratio, (top - y) / ratio];
    return toVoxel(volume, toPatient(plane, [m[0] * sx + m[2] * sy + m[4], m[1] * sx + m[3] * sy + m[5]]));
  };
  const origin = voxelAt(0, 0);
  // Half a voxel apart: halfway between two slices, what only one of them has is half itself.
  const steps = slab.thickness > 0 ? Math.min(2 * Math.max(Math.round(slab.thickness / volume.finest), 1) + 1, 513) : 1;
  const center = toPatient(plane, [0, 0]);
  const one = subtract(toVoxel(volume, add(center, plane.normal)), toVoxel(volume, center));
  gl.uniform3fv(program.at("u_origin"), origin);
  gl.uniform3fv(program.at("u_right"), subtract(voxelAt(1, 0), origin));
  gl.uniform3fv(program.at("u_up"), subtract(voxelAt(0, 1), origin));
  gl.uniform3fv(program.at("u_step"), scale(one, steps > 1 ? slab.thickness / (steps - 1) : 0));
  gl.uniform1i(program.at("u_steps"), steps);
  gl.uniform1i(program.at("u_mode"), { mean: 0, max: 1, min: 2 }[slab.mode]);
  gl.uniform3fv(program.at("u_size"), volume.size);
  stage.grey(program, drawing.voi, texture.rescale, drawing.inverse, drawing.colormap);
  gl.uniform1f(program.at("u_opacity"), drawing.opacity ?? -1);
  if (over) {
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
  }
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  gl.disable(gl.BLEND);
}
