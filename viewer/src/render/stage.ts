// One WebGL2 canvas behind all panes: each pane is a rectangle of it, so textures are shared and
// sixteen panes need one context. Textures are a cache bounded in bytes, the oldest go first.

import type { Pixels } from "../pixels/pixels";
import { colormap, type ColormapName } from "../pixels/colormap";
import type { Lut } from "../pixels/lut";
import type { Voi } from "../pixels/voi";
import { link, newTexture, texelFormat, type Program, type TexelFormat } from "./gl";

/** A pane's rectangle on the canvas, CSS pixels from the upper left. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface ImageTexture {
  readonly texture: WebGLTexture;
  readonly sampler: TexelFormat["sampler"];
}

interface Cached extends ImageTexture {
  readonly bytes: number;
  used: number;
}

const TEXTURE_BUDGET = 384 * 2 ** 20;
const RESTORED_WITHIN_MS = 1500;

export class Stage {
  readonly gl: WebGL2RenderingContext;
  private readonly programs = new Map<string, Program>();
  private images = new Map<Pixels, Cached>();
  private colormaps = new Map<string, WebGLTexture>();
  private luts = new Map<Lut, WebGLTexture>();
  private emptyLut: WebGLTexture | undefined;
  private bytes = 0;
  private tick = 0;
  private readonly restored = new Set<() => void>();
  private waiting: ReturnType<typeof setTimeout> | undefined;
  /** Told when the GPU has gone and does not come back. */
  onGone: (() => void) | undefined;
  /** Of a canvas that is on no page. */
  offscreenRatio: number | undefined;

  /** Throws when WebGL2 is not to be had. */
  constructor(readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl2", {
      alpha: false,
      antialias: false,
      depth: false,
      preserveDrawingBuffer: true, // panes are redrawn one by one
      powerPreference: "high-performance",
    });
    if (!gl) throw new Error("WebGL2 is not available");
    this.gl = gl;
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.waiting = setTimeout(() => this.onGone?.(), RESTORED_WITHIN_MS);
    });
    canvas.addEventListener("webglcontextrestored", () => {
      clearTimeout(this.waiting);
      this.programs.clear();
      this.images.clear();
      this.colormaps.clear();
      this.luts.clear();
      this.emptyLut = undefined;
      this.bytes = 0;
      for (const redraw of this.restored) redraw();
    });
  }

  onRestored(redraw: () => void): () => void {
    this.restored.add(redraw);
    return () => this.restored.delete(redraw);
  }

  /** Device pixels a CSS pixel. */
  get ratio(): number {
    return this.offscreenRatio ?? (this.canvas.clientWidth > 0 ? this.canvas.width / this.canvas.clientWidth : 1);
  }

  /** Confines drawing to the pane and clears it. Returns its upper left corner in device pixels. */
  begin(rect: Rect): { left: number; top: number; ratio: number } {
    const corner = this.over(rect);
    this.gl.clearColor(0, 0, 0, 1);
    this.gl.clear(this.gl.COLOR_BUFFER_BIT);
    return corner;
  }

  /** Confines drawing to the pane, what is drawn there stays. */
  over(rect: Rect): { left: number; top: number; ratio: number } {
    const { gl, ratio } = this;
    const left = Math.round(rect.x * ratio);
    const right = Math.round((rect.x + rect.width) * ratio);
    const top = Math.round(this.canvas.height - rect.y * ratio);
    const bottom = Math.round(this.canvas.height - (rect.y + rect.height) * ratio);
    gl.enable(gl.SCISSOR_TEST);
    gl.viewport(left, bottom, right - left, top - bottom);
    gl.scissor(left, bottom, right - left, top - bottom);
    return { left, top, ratio };
  }

  program(key: string, source: () => string): Program {
    let program = this.programs.get(key);
    if (!program) this.programs.set(key, (program = link(this.gl, source())));
    program.use();
    return program;
  }

  image(pixels: Pixels): ImageTexture {
    const known = this.images.get(pixels);
    if (known) {
      known.used = ++this.tick;
      return known;
    }
    const { gl } = this;
    const limit = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
    if (Math.max(pixels.columns, pixels.rows) > limit)
      throw new Error(`the image has ${pixels.columns}×${pixels.rows} pixels, this GPU takes ${limit} a side`);
    const texture = newTexture(gl, gl.TEXTURE_2D);
    let sampler: TexelFormat["sampler"];
    if (pixels.samples === 3) {
      sampler = "sampler";
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, pixels.columns, pixels.rows, 0, gl.RGB, gl.UNSIGNED_BYTE, pixels.values as Uint8Array);
    } else {
      const texel = texelFormat(gl, pixels.values);
      sampler = texel.sampler;
      gl.texImage2D(gl.TEXTURE_2D, 0, texel.internal, pixels.columns, pixels.rows, 0, texel.format, texel.type, pixels.values);
    }
    const cached = { texture, sampler, bytes: pixels.values.byteLength, used: ++this.tick };
    this.images.set(pixels, cached);
    this.bytes += cached.bytes;
    if (this.bytes > TEXTURE_BUDGET) this.evict();
    return cached;
  }

  private evict(): void {
    for (const [pixels, cached] of [...this.images].sort((a, b) => a[1].used - b[1].used)) {
      if (this.bytes <= TEXTURE_BUDGET * 0.8 || cached.used === this.tick) return;
      this.gl.deleteTexture(cached.texture);
      this.images.delete(pixels);
      this.bytes -= cached.bytes;
    }
  }

  /** Sets the uniforms of grey.glsl; texture units 1 and 2. */
  grey(program: Program, voi: Voi, rescale: readonly [number, number], inverse: boolean, map: ColormapName | undefined): void {
    const { gl } = this;
    gl.uniform2f(program.at("u_rescale"), rescale[0], rescale[1]);
    gl.uniform1i(program.at("u_inverse"), inverse ? 1 : 0);
    gl.uniform1i(program.at("u_colored"), map ? 1 : 0);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, voi.kind === "table" ? this.lut(voi.lut) : this.noLut());
    gl.uniform1i(program.at("u_lut"), 1);
    gl.activeTexture(gl.TEXTURE2);
    gl.bindTexture(gl.TEXTURE_2D, this.colormap(map));
    gl.uniform1i(program.at("u_colormap"), 2);
    gl.activeTexture(gl.TEXTURE0);
    if (voi.kind === "table") {
      gl.uniform1i(program.at("u_shape"), 3);
      gl.uniform1f(program.at("u_lut_first"), voi.lut.first);
      gl.uniform1f(program.at("u_lut_scale"), 1 / (2 ** voi.lut.bits - 1));
      gl.uniform1i(program.at("u_lut_count"), voi.lut.entries.length);
    } else {
      gl.uniform1i(program.at("u_shape"), { LINEAR: 0, LINEAR_EXACT: 1, SIGMOID: 2 }[voi.shape]);
      gl.uniform2f(program.at("u_window"), voi.center, voi.width);
    }
  }

  private colormap(map: ColormapName | undefined): WebGLTexture {
    const key = map ?? "";
    let texture = this.colormaps.get(key);
    if (!texture) {
      const { gl } = this;
      texture = newTexture(gl, gl.TEXTURE_2D);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colormap(map));
      this.colormaps.set(key, texture);
    }
    return texture;
  }

  private lut(lut: Lut): WebGLTexture {
    let texture = this.luts.get(lut);
    if (!texture) {
      const { gl } = this;
      const rows = Math.ceil(lut.entries.length / 256);
      const padded = new Uint16Array(rows * 256);
      padded.set(lut.entries);
      texture = newTexture(gl, gl.TEXTURE_2D);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16UI, 256, rows, 0, gl.RED_INTEGER, gl.UNSIGNED_SHORT, padded);
      this.luts.set(lut, texture);
    }
    return texture;
  }

  /** A sampler must have a texture of its own type bound, even where no branch reads it. */
  private noLut(): WebGLTexture {
    if (!this.emptyLut) {
      const { gl } = this;
      this.emptyLut = newTexture(gl, gl.TEXTURE_2D);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16UI, 1, 1, 0, gl.RED_INTEGER, gl.UNSIGNED_SHORT, new Uint16Array(1));
    }
    return this.emptyLut;
  }
}
