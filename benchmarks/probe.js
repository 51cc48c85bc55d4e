// Runs before a page's own scripts and looks, at every screen refresh, at the middle of its largest
// canvas: what is drawn there, when it changed. It knows nothing of the page it is in.
(() => {
  const SIDE = 128; // pixels of the canvas, not scaled
  const eye = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
  let last = 0;
  let watching = true;
  const seen = []; // what was drawn: time in ms since the navigation began, grey levels
  let changes = 0;

  const largest = () => {
    let found;
    for (const canvas of document.querySelectorAll("canvas"))
      if (canvas.width >= SIDE && canvas.height >= SIDE && (!found || canvas.width * canvas.height > found.width * found.height)) found = canvas;
    return found;
  };

  function look() {
    const canvas = largest();
    if (!canvas) return;
    eye.clearRect(0, 0, SIDE, SIDE);
    eye.drawImage(canvas, (canvas.width - SIDE) >> 1, (canvas.height - SIDE) >> 1, SIDE, SIDE, 0, 0, SIDE, SIDE);
    const { data } = eye.getImageData(0, 0, SIDE, SIDE);
    const words = new Uint32Array(data.buffer);
    let sum = 17;
    for (let i = 0; i < words.length; i++) sum = (Math.imul(sum, 31) + words[i]) | 0;
    if (sum === last) return;
    last = sum;
    changes++;
    if (seen.length >= 400) return;
    const grey = new Uint8Array(words.length);
    for (let i = 0; i < words.length; i++) grey[i] = data[i * 4 + 1];
    seen.push({ at: performance.now(), grey, deviation: deviation(grey) });
  }

  function deviation(grey) {
    let sum = 0;
    let squares = 0;
    for (const v of grey) (sum += v), (squares += v * v);
    const mean = sum / grey.length;
    return Math.sqrt(Math.max(squares / grey.length - mean * mean, 0));
  }

  function distance(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
    return sum / a.length;
  }

  const tick = () => {
    if (watching) look();
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);

  window.probe = {
    pause() {
      watching = false;
    },
    /** When a picture first stood there, and when the one that stayed did (ms; null: not yet). */
    pictures() {
      const drawn = seen.filter(({ deviation }) => deviation > 8);
      const end = drawn.at(-1);
      return {
        first: drawn[0]?.at ?? null,
        final: drawn.find(({ grey }) => distance(grey, end.grey) < 1)?.at ?? null,
        last: end?.at ?? null,
      };
    },
    /** Where the largest canvas has its middle, CSS pixels. */
    middle() {
      const box = largest().getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2];
    },
    /** How many pictures have been drawn so far, and when; goes on watching. */
    count() {
      watching = true;
      look();
      return [changes, performance.now()];
    },
  };
})();
