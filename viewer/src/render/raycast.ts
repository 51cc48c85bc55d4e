// Volume rendering: rays through a copy of the volume in half floats, reduced to at most 256 voxels
// an edge, which filters in hardware and is exact enough to look at (not to measure in).

import { toPatient, type Plane } from "../geometry/plane";
import { toVoxel, type Volume } from "../geometry/volume";
import { add, scale, subtract, type Vec3 } from "../geometry/vector";
import { invert, type Affine } from "../geometry/view";
import type { FrameStore } from "../net/frames";
import { newTexture } from "./gl";
import type { Rect, Stage } from "./stage";
import { transferTable, TRANSFER_FUNCTIONS, type TransferName } from "./transfer";

const EDGE = 256;

interface Reduced {
  readonly texture: WebGLTexture;
  readonly size: readonly [number, number, number];
  readonly step: readonly [number, number, number]; // voxels of the volume a voxel here stands for
  readonly present: Set<number>;
}

export interface RayDrawing {
  readonly volume: Volume;
  readonly plane: Plane; // through the volume's middle, facing the eye
  readonly imageToScreen: Affine;
  readonly preset: TransferName;
  readonly window: readonly [number, number]; // values that are black and white
  readonly coarse: boolean; // while turning
}

const SOURCE = `#version 300 es
precision highp float;
precision highp sampler3D;
uniform sampler3D u_volume;   // modality values
uniform sampler2D u_transfer;
uniform vec2 u_range;
uniform vec3 u_origin;        // texture coordinates at device pixel (0, 0)
uniform vec3 u_right;
uniform vec3 u_up;
uniform vec3 u_ray;           // one step
uniform vec3 u_texel;
uniform vec3 u_light;         // towards the eye, texture coordinates a millimetre
uniform bool u_shaded;
uniform float u_density;      // opacity is meant for a step of one voxel; this is the step's length
out vec4 color;

float value(vec3 p) { return clamp((texture(u_volume, p).r - u_range.x) / (u_range.y - u_range.x), 0.0, 1.0); }
void main() {
  vec3 start = u_origin + u_right * gl_FragCoord.x + u_up * gl_FragCoord.y;
  vec3 inverse_ray = 1.0 / (u_ray + vec3(1e-9));
  vec3 a = (vec3(0.0) - start) * inverse_ray, b = (vec3(1.0) - start) * inverse_ray;
  vec3 near = min(a, b), far = max(a, b);
  float t0 = max(max(near.x, near.y), near.z), t1 = min(min(far.x, far.y), far.z);
  vec4 sum = vec4(0.0);
  if (t1 > t0) {
    // A different beginning for each pixel hides the steps.
    float jitter = fract(sin(dot(gl_FragCoord.xy, vec2(12.9898, 78.233))) * 43758.5453);
    for (float t = ceil(t0) + jitter; t < t1; t += 1.0) {
      vec3 p = start + u_ray * t;
      vec4 c = texture(u_transfer, vec2(value(p), 0.5));
      if (c.a < 0.003) continue;
      float alpha = 1.0 - pow(1.0 - c.a, u_density);
      if (u_shaded) {
        vec3 d = u_texel;
        vec3 g = vec3(value(p + vec3(d.x, 0, 0)) - value(p - vec3(d.x, 0, 0)),
                      value(p + vec3(0, d.y, 0)) - value(p - vec3(0, d.y, 0)),
                      value(p + vec3(0, 0, d.z)) - value(p - vec3(0, 0, d.z)));
        float size = length(g);
        float facing = size > 0.005 ? abs(dot(g / size, normalize(u_light))) : 0.6;
        c.rgb *= 0.25 + 0.75 * facing;
        c.rgb += 0.18 * pow(facing, 24.0) * step(0.02, size);
      }
      sum.rgb += (1.0 - sum.a) * alpha * c.rgb;
      sum.a += (1.0 - sum.a) * alpha;
      if (sum.a > 0.97) break;
    }
  }
  color = vec4(sum.rgb, 1.0);
}`;

export class RayCaster {
  private readonly held = new Map<Volume, Reduced>();
  private readonly tables = new Map<string, WebGLTexture>();

  constructor(
    private readonly stage: Stage,
    private readonly store: FrameStore,
  ) {
    stage.onRestored(() => {
      this.held.clear();
      this.tables.clear();
    });
  }

  draw(rect: Rect, drawing: RayDrawing): void {
    const { stage } = this;
    const { gl } = stage;
    const { volume, plane } = drawing;
    const reduced = this.reduced(volume);
    const { left, top, ratio } = stage.begin(rect);
    const program = stage.program("raycast", () => SOURCE);
    const { rgba, low, high } = transferTable(drawing.preset, drawing.window);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.table(`${drawing.preset} ${low} ${high}`, rgba));
    gl.uniform1i(program.at("u_transfer"), 1);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_3D, reduced.texture);
    gl.uniform1i(program.at("u_volume"), 0);
    const m = invert(drawing.imageToScreen);
    const texture = (point: Vec3): Vec3 => {
      const voxel = toVoxel(volume, point);
      return [0, 1, 2].map((n) => voxel[n]! / (reduced.size[n]! * reduced.step[n]!)) as unknown as Vec3;
    };
    const at = (x: number, y: number): Vec3 => {
      const [sx, sy] = [(x - left) / ratio, (top - y) / ratio];
      return texture(toPatient(plane, [m[0] * sx + m[2] * sy + m[4], m[1] * sx + m[3] * sy + m[5]]));
    };
    const origin = at(0, 0);
    const middle = toPatient(plane, [0, 0]);
    const millimetre = subtract(texture(add(middle, plane.normal)), texture(middle));
    // A step of about one reduced voxel: finer shows nothing more, coarser is for turning.
    const voxel = volume.finest * Math.max(...reduced.step);
    const stride = voxel * (drawing.coarse ? 2.5 : 0.8);
    gl.uniform2f(program.at("u_range"), low, high);
    gl.uniform3fv(program.at("u_origin"), origin);
    gl.uniform3fv(program.at("u_right"), subtract(at(1, 0), origin));
    gl.uniform3fv(program.at("u_up"), subtract(at(0, 1), origin));
    gl.uniform3fv(program.at("u_ray"), scale(millimetre, stride));
    gl.uniform3fv(program.at("u_texel"), reduced.size.map((n) => 1 / n));
    gl.uniform3fv(program.at("u_light"), [0, 1, 2].map((n) => millimetre[n]! * reduced.size[n]!));
    gl.uniform1i(program.at("u_shaded"), TRANSFER_FUNCTIONS[drawing.preset].shaded ? 1 : 0);
    gl.uniform1f(program.at("u_density"), stride / voxel);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private table(key: string, rgba: Uint8Array<ArrayBuffer>): WebGLTexture {
    let texture = this.tables.get(key);
    if (!texture) {
      const { gl } = this.stage;
      texture = newTexture(gl, gl.TEXTURE_2D);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, rgba.length / 4, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
      this.tables.set(key, texture);
    }
    return texture;
  }

  private reduced(volume: Volume): Reduced {
    const { gl } = this.stage;
    let held = this.held.get(volume);
    if (!held) {
      const step = volume.size.map((n) => Math.ceil(n / EDGE)) as unknown as Reduced["step"];
      const size = volume.size.map((n, i) => Math.ceil(n / step[i]!)) as unknown as Reduced["size"];
      const texture = newTexture(gl, gl.TEXTURE_3D);
      gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
      gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
      gl.texStorage3D(gl.TEXTURE_3D, 1, gl.R16F, ...size);
      held = { texture, size, step, present: new Set() };
      this.held.set(volume, held);
    }
    gl.bindTexture(gl.TEXTURE_3D, held.texture);
    for (let k = 0; k < held.size[2]; k++) if (!held.present.has(k)) this.slice(volume, held, k);
    return held;
  }

  private slice(volume: Volume, { size, step, present }: Reduced, k: number): void {
    const frame = volume.frames[Math.min(k * step[2] + (step[2] >> 1), volume.size[2] - 1)]!;
    const pixels = this.store.get(frame);
    if (!pixels) return;
    const { slope, intercept } = frame.modality;
    const out = new Float32Array(size[0] * size[1]);
    for (let y = 0; y < size[1]; y++)
      for (let x = 0; x < size[0]; x++) {
        let sum = 0;
        let count = 0;
        for (let v = y * step[1]; v < Math.min((y + 1) * step[1], volume.size[1]); v++)
          for (let u = x * step[0]; u < Math.min((x + 1) * step[0], volume.size[0]); u++, count++)
            sum += pixels.values[v * volume.size[0] + u]!;
        out[y * size[0] + x] = (sum / count) * slope + intercept;
      }
    const { gl } = this.stage;
    gl.texSubImage3D(gl.TEXTURE_3D, 0, 0, 0, k, size[0], size[1], 1, gl.RED, gl.FLOAT, out);
    present.add(k);
  }
}
