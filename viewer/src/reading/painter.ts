// Draws panes when what they show has changed, at most once a screen refresh: on the GPU, or, where
// WebGL2 is software or missing, on the processor (the same pictures). Cuts and volumes need WebGL2
// of either kind.

import { effect } from "@preact/signals";
import type { FrameStore } from "../net/frames";
import { drawImage, type ImageDrawing } from "../render/image";
import { drawOnProcessor } from "../render/processor";
import { RayCaster } from "../render/raycast";
import { drawReslice } from "../render/reslice";
import { Stage, type Rect } from "../render/stage";
import { VolumeTextures } from "../render/volume";
import type { Viewport } from "./viewport";

export abstract class Painter {
  private readonly dirty = new Set<Viewport>();
  private readonly watched = new Map<Viewport, () => void>();
  private scheduled = false;
  /** Frames drawn since the page opened, for the benchmark. */
  drawn = 0;

  constructor(
    readonly canvas: HTMLCanvasElement,
    protected readonly store: FrameStore,
  ) {}

  protected abstract clear(): void;
  protected abstract paint(viewport: Viewport, rect: Rect): void;

  /** Device pixels a CSS pixel. */
  get ratio(): number {
    return this.canvas.clientWidth > 0 ? this.canvas.width / this.canvas.clientWidth : 1;
  }

  watch(viewports: readonly Viewport[]): void {
    for (const [viewport, stop] of this.watched)
      if (!viewports.includes(viewport)) {
        stop();
        this.watched.delete(viewport);
      }
    for (const viewport of viewports)
      if (!this.watched.has(viewport)) this.watched.set(viewport, effect(() => this.depend(viewport)));
  }

  /** Everything anew, the gaps between panes too. */
  all(): void {
    this.clear();
    for (const viewport of this.watched.keys()) this.mark(viewport);
  }

  private mark(viewport: Viewport): void {
    this.dirty.add(viewport);
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => this.flush());
  }

  /** Reads every signal that the picture depends on. */
  private depend(viewport: Viewport): void {
    void viewport.toScreen.value;
    void viewport.voi.value;
    void viewport.pixels.value;
    void viewport.inverted.value;
    void viewport.colormap.value;
    void viewport.interpolate.value;
    void viewport.filter.value;
    void viewport.rect.value;
    void viewport.frame.value;
    const source = viewport.source.value;
    if (source?.kind === "volume") {
      void viewport.plane.value;
      void viewport.volumePreset.value;
      void viewport.turning.value;
      void this.store.changed(source.group.volume.frames[0]!.series).value;
    }
    const fusion = viewport.fusion.value;
    if (fusion) {
      void viewport.plane.value;
      void viewport.fusionVoi.value;
      void this.store.changed(fusion.stack.series).value;
    }
    if (source?.kind === "mpr") {
      void viewport.plane.value;
      void viewport.slab.value;
      void this.store.changed(source.group.volume.frames[0]!.series).value;
    }
    this.mark(viewport);
  }

  private flush(): void {
    this.scheduled = false;
    const { canvas } = this;
    const ratio = Math.min(devicePixelRatio || 1, 3);
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      this.clear();
      for (const viewport of this.watched.keys()) this.dirty.add(viewport);
    }
    for (const viewport of this.dirty) if (this.watched.has(viewport)) this.draw(viewport);
    this.dirty.clear();
  }

  draw(viewport: Viewport): void {
    const rect = viewport.rect.peek();
    if (rect.width < 1 || rect.height < 1) return;
    this.drawn++;
    let trouble: string | undefined;
    try {
      this.paint(viewport, rect);
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error);
    }
    viewport.trouble.value = trouble;
  }
}

/** What a pane shows of its stack, or undefined when that is not there. */
function drawingOf(viewport: Viewport): ImageDrawing | undefined {
  const frame = viewport.frame.peek();
  const pixels = viewport.pixels.peek();
  const imageToScreen = viewport.toScreen.peek();
  const voi = viewport.voi.peek();
  if (!frame || !pixels || !imageToScreen || !voi) return undefined;
  return {
    pixels,
    size: [frame.format.columns, frame.format.rows],
    imageToScreen,
    rescale: [frame.modality.slope, frame.modality.intercept],
    padding: frame.padding,
    voi,
    inverse: frame.inverse !== viewport.inverted.peek(),
    colormap: viewport.colormap.peek(),
    interpolate: viewport.interpolate.peek(),
    filter: viewport.filter.peek(),
  };
}

/** Panes drawn with WebGL2 on one canvas, which may be on no page. */
class Scene {
  readonly stage: Stage;
  private readonly volumes: VolumeTextures;
  private readonly rays: RayCaster;

  /** Throws when WebGL2 is not to be had. */
  constructor(
    canvas: HTMLCanvasElement,
    private readonly store: FrameStore,
  ) {
    this.stage = new Stage(canvas);
    this.volumes = new VolumeTextures(this.stage, store);
    this.rays = new RayCaster(this.stage, store);
  }

  paint(viewport: Viewport, rect: Rect): void {
    this.base(viewport, rect);
    const fusion = viewport.fusion.peek();
    const plane = viewport.plane.peek();
    const imageToScreen = viewport.toScreen.peek();
    const voi = viewport.fusionVoi.peek();
    const texture = fusion && this.volumes.get(fusion.group.volume);
    if (!fusion || !plane || !imageToScreen || !voi || !texture) return;
    const { volume } = fusion.group;
    const { colormap, opacity } = fusion;
    const slab = { mode: "mean", thickness: 0 } as const;
    drawReslice(this.stage, rect, { volume, texture, plane, imageToScreen, slab, voi, inverse: false, colormap, opacity });
  }

  private base(viewport: Viewport, rect: Rect): void {
    const source = viewport.source.peek();
    const imageToScreen = viewport.toScreen.peek();
    const voi = viewport.voi.peek();
    if (source?.kind === "mpr" && imageToScreen && voi) {
      const { volume } = source.group;
      const texture = this.volumes.get(volume);
      if (texture)
        return drawReslice(this.stage, rect, {
          volume,
          texture,
          plane: viewport.plane.peek()!,
          imageToScreen,
          slab: viewport.slab.peek(),
          voi,
          inverse: volume.frames[0]!.inverse !== viewport.inverted.peek(),
          colormap: viewport.colormap.peek(),
        });
    }
    if (source?.kind === "volume" && imageToScreen && voi) {
      // Many slices arrive a second, one drawing may take as long: wait for those under way.
      const { volume } = source.group;
      const { ready, total } = this.store.progress(volume.frames);
      if (ready < total && ready % 16 !== 0) return;
      const [center, width] = voi.kind === "window" ? [voi.center, voi.width] : [voi.lut.first + voi.lut.entries.length / 2, voi.lut.entries.length];
      return this.rays.draw(rect, {
        volume,
        plane: viewport.plane.peek()!,
        imageToScreen,
        preset: viewport.volumePreset.peek(),
        window: [center - width / 2, center + width / 2],
        coarse: viewport.turning.peek(),
      });
    }
    const drawing = drawingOf(viewport);
    if (drawing) drawImage(this.stage, rect, drawing);
    else this.stage.begin(rect);
  }
}

export class GpuPainter extends Painter {
  private readonly scene: Scene;

  /** `gone`: called when the GPU is lost for good. Throws when WebGL2 is not to be had. */
  constructor(canvas: HTMLCanvasElement, store: FrameStore, gone: () => void) {
    super(canvas, store);
    this.scene = new Scene(canvas, store);
    this.scene.stage.onRestored(() => this.all());
    this.scene.stage.onGone = gone;
  }

  protected clear(): void {
    const { gl } = this.scene.stage;
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0.137, 0.173, 0.216, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  protected paint(viewport: Viewport, rect: Rect): void {
    this.scene.paint(viewport, rect);
  }
}

export class ProcessorPainter extends Painter {
  /** Null where the browser has no canvas to draw on: then each pane says so. */
  private readonly context: CanvasRenderingContext2D | null;
  private image = new ImageData(1, 1);
  private scene: Scene | undefined;

  constructor(canvas: HTMLCanvasElement, store: FrameStore) {
    super(canvas, store);
    this.context = canvas.getContext("2d", { alpha: false });
  }

  protected clear(): void {
    if (!this.context) return;
    this.context.fillStyle = "#232c37";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  protected paint(viewport: Viewport, rect: Rect): void {
    const { ratio, context } = this;
    if (!context) throw new Error("no canvas to draw on");
    const [left, top] = [Math.round(rect.x * ratio), Math.round(rect.y * ratio)];
    const width = Math.round((rect.x + rect.width) * ratio) - left;
    const height = Math.round((rect.y + rect.height) * ratio) - top;
    const kind = viewport.source.peek()?.kind;
    if (kind === "mpr" || kind === "volume" || viewport.fusion.peek()) {
      // WebGL2 for what only it can draw, slow as it may be; made when it is first needed.
      const scene = (this.scene ??= new Scene(document.createElement("canvas"), this.store));
      const { canvas } = scene.stage;
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      scene.stage.offscreenRatio = ratio;
      scene.paint(viewport, { x: 0, y: 0, width: width / ratio, height: height / ratio });
      context.drawImage(canvas, left, top);
      return;
    }
    const drawing = drawingOf(viewport);
    if (!drawing) {
      context.fillStyle = "#000";
      context.fillRect(left, top, width, height);
      return;
    }
    if (this.image.width !== width || this.image.height !== height) this.image = new ImageData(width, height);
    drawOnProcessor(new Uint32Array(this.image.data.buffer), width, height, ratio, drawing);
    context.putImageData(this.image, left, top);
  }
}
