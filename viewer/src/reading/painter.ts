// Draws panes when what they show has changed, at most once a screen refresh.

import { effect } from "@preact/signals";
import type { FrameStore } from "../net/frames";
import { drawImage } from "../render/image";
import { RayCaster } from "../render/raycast";
import { drawReslice } from "../render/reslice";
import { Stage } from "../render/stage";
import { VolumeTextures } from "../render/volume";
import type { Viewport } from "./viewport";

export class Painter {
  readonly stage: Stage;
  private readonly volumes: VolumeTextures;
  private readonly rays: RayCaster;
  private readonly dirty = new Set<Viewport>();
  private readonly watched = new Map<Viewport, () => void>();
  private scheduled = false;
  /** Frames drawn since the page opened, for the benchmark. */
  drawn = 0;

  constructor(
    canvas: HTMLCanvasElement,
    private readonly store: FrameStore,
  ) {
    this.stage = new Stage(canvas);
    this.volumes = new VolumeTextures(this.stage, store);
    this.rays = new RayCaster(this.stage, store);
    this.stage.onRestored(() => this.all());
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
    const { gl } = this.stage;
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0.137, 0.173, 0.216, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
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
    if (source?.kind === "mpr") {
      void viewport.plane.value;
      void viewport.slab.value;
      void this.store.changed(source.group.volume.frames[0]!.series).value;
    }
    this.mark(viewport);
  }

  private flush(): void {
    this.scheduled = false;
    const { canvas } = this.stage;
    const ratio = Math.min(devicePixelRatio || 1, 3);
    const before = `${canvas.width}x${canvas.height}`;
    this.stage.resize(canvas.clientWidth, canvas.clientHeight, ratio);
    if (before !== `${canvas.width}x${canvas.height}`) for (const viewport of this.watched.keys()) this.dirty.add(viewport);
    for (const viewport of this.dirty) if (this.watched.has(viewport)) this.draw(viewport);
    this.dirty.clear();
  }

  draw(viewport: Viewport): void {
    const rect = viewport.rect.peek();
    if (rect.width < 1 || rect.height < 1) return;
    const source = viewport.source.peek();
    const imageToScreen = viewport.toScreen.peek();
    const voi = viewport.voi.peek();
    this.drawn++;
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
    const frame = viewport.frame.peek();
    const pixels = viewport.pixels.peek();
    if (!frame || !pixels || !imageToScreen || !voi) return void this.stage.begin(rect);
    const { slope, intercept } = frame.modality;
    drawImage(this.stage, rect, {
      pixels,
      imageToScreen,
      rescale: [slope, intercept],
      padding: frame.padding,
      voi,
      inverse: frame.inverse !== viewport.inverted.peek(),
      colormap: viewport.colormap.peek(),
      interpolate: viewport.interpolate.peek(),
      filter: viewport.filter.peek(),
    });
  }
}
