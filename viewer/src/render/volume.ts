// A volume on the GPU: slices are uploaded as they arrive, so cuts show what is there already.

import type { Volume } from "../geometry/volume";
import type { FrameStore } from "../net/frames";
import { newTexture, texelFormat, type TexelFormat } from "./gl";
import type { Stage } from "./stage";

export interface VolumeTexture {
  readonly texture: WebGLTexture;
  readonly sampler: TexelFormat["sampler"];
  readonly rescale: readonly [slope: number, intercept: number];
  readonly loaded: number; // slices there
}

interface Held {
  texture: WebGLTexture;
  texel: TexelFormat;
  present: Set<number>;
  floats: boolean; // slices of different rescale are kept as modality values
  used: number;
}

const KEPT = 3; // volumes on the GPU at a time

export class VolumeTextures {
  private readonly held = new Map<Volume, Held>();
  private tick = 0;

  constructor(
    private readonly stage: Stage,
    private readonly store: FrameStore,
  ) {
    stage.onRestored(() => this.held.clear());
  }

  get(volume: Volume): VolumeTexture | undefined {
    const { gl } = this.stage;
    let held = this.held.get(volume) ?? this.create(volume);
    if (!held) return undefined;
    held.used = ++this.tick;
    gl.bindTexture(gl.TEXTURE_3D, held.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    volume.frames.forEach((frame, k) => {
      if (held.present.has(k)) return;
      const pixels = this.store.get(frame);
      if (!pixels) return;
      const { slope, intercept } = frame.modality;
      const values = held.floats
        ? Float32Array.from(pixels.values as ArrayLike<number>, (v) => v * slope + intercept)
        : pixels.values;
      gl.texSubImage3D(gl.TEXTURE_3D, 0, 0, 0, k, volume.size[0], volume.size[1], 1, held.texel.format, held.texel.type, values);
      held.present.add(k);
    });
    const { slope, intercept } = volume.frames[0]!.modality;
    return {
      texture: held.texture,
      sampler: held.texel.sampler,
      rescale: held.floats ? [1, 0] : [slope, intercept],
      loaded: held.present.size,
    };
  }

  private create(volume: Volume): Held | undefined {
    const { gl } = this.stage;
    const ready = volume.frames.map((frame) => this.store.get(frame)).find(Boolean);
    if (!ready) return undefined;
    const { slope, intercept } = volume.frames[0]!.modality;
    const floats = volume.frames.some((f) => f.modality.slope !== slope || f.modality.intercept !== intercept);
    const texel = texelFormat(gl, floats ? new Float32Array(0) : ready.values);
    const [columns, rows, slices] = volume.size;
    const limit = gl.getParameter(gl.MAX_3D_TEXTURE_SIZE) as number;
    if (Math.max(columns, rows, slices) > limit)
      throw new Error(`the volume has an edge of ${Math.max(columns, rows, slices)} voxels, this GPU takes ${limit}`);
    const texture = newTexture(gl, gl.TEXTURE_3D);
    gl.texStorage3D(gl.TEXTURE_3D, 1, texel.internal, columns, rows, slices);
    const held: Held = { texture, texel, present: new Set(), floats, used: 0 };
    this.held.set(volume, held);
    if (this.held.size > KEPT) {
      const [oldest, entry] = [...this.held].sort((a, b) => a[1].used - b[1].used)[0]!;
      if (oldest !== volume) {
        gl.deleteTexture(entry.texture);
        this.held.delete(oldest);
      }
    }
    return held;
  }
}
