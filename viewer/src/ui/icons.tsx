// Line icons, 24 units square, stroked in the text colour.

import type { JSX } from "preact";

const PATHS = {
  window: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  scroll: "M8 4h8v16H8zM12 8v8m-2.2-5.8L12 8l2.2 2.2m-4.4 3.6L12 16l2.2-2.2",
  pan: "M12 3v18M3 12h18M12 3l-2.5 2.5M12 3l2.5 2.5M12 21l-2.5-2.5M12 21l2.5-2.5M3 12l2.5-2.5M3 12l2.5 2.5M21 12l-2.5-2.5M21 12l-2.5 2.5",
  zoom: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 21 21M8 10.5h5M10.5 8v5",
  magnify: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 21 21",
  crosshair: "M12 3v6m0 6v6M3 12h6m6 0h6M12 11v2m-1-1h2",
  length: "M4 16.5 16.5 4 20 7.5 7.5 20zM8 12.5l1.8 1.8M11 9.5l1.8 1.8M14 6.5l1.8 1.8",
  bidirectional: "M4 20 20 4M8.5 8.5l7 7M3 17l4 4M17 3l4 4",
  angle: "M19 5 5 19h15M13 19a8 8 0 0 0-2.4-5.7",
  cobb: "M4 7l14-3M4 20l15-1M10 5.6l1.5 13.9",
  rectangle: "M4 6h16v12H4z",
  ellipse: "M12 6c4.7 0 8.5 2.7 8.5 6s-3.8 6-8.5 6-8.5-2.7-8.5-6S7.300 6 12 6z",
  freehand: "M5 15c-2-4 2-10 7-9 4 .8 3 4 6 5s2 7-3 7-8 .5-10-3z",
  polygon: "M12 3.500 20 9l-3 10H7L4 9z",
  probe: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v4m0 12v4M2 12h4m12 0h4",
  arrow: "M5 19 19 5M5 19v-7M5 19h7",
  text: "M5 6V4h14v2M12 4v16M9 20h6",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  one: "M7 8l2-1.500V17M17 8l-2-1.500M15 6.500V17M12 10v.1M12 14v.1",
  rotate: "M20 12a8 8 0 1 1-2.500-5.800L20 8.500M20 4v4.500h-4.500",
  flipX: "M12 3v18M9 7 3 17h6zM15 7l6 10h-6z",
  flipY: "M3 12h18M7 9 17 3v6zM7 15l10 6v-6z",
  invert: "M4 4h16v16H4zM4 20 20 4v16z",
  layout: "M4 4h16v16H4zM12 4v16M4 12h16",
  link: "M9.500 14.500l5-5M8 11l-2.500 2.500a3.500 3.500 0 0 0 5 5L13 16M16 13l2.500-2.500a3.500 3.500 0 0 0-5-5L11 8",
  play: "M8 5v14l11-7z",
  pause: "M8 5v14M16 5v14",
  mpr: "M12 3l8 4.500v9L12 21l-8-4.500v-9zM12 12l8-4.500M12 12v9M12 12 4 7.500",
  key: "M12 3.500l2.600 5.500 6 .8-4.400 4.200 1.100 6L12 17.100 6.700 20l1.100-6L3.400 9.800l6-.8z",
  save: "M5 4h11l3 3v13H5zM8 4v5h7V4M8 20v-6h8v6",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.500 11v5.500M13.500 11v5.500",
  help: "M9 9a3 3 0 1 1 4.300 2.700c-.9.500-1.300 1-1.300 2M12 17v.1M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  back: "M14 5l-7 7 7 7",
  panel: "M4 5h16v14H4zM15 5v14",
  strip: "M4 5h16v14H4zM9 5v14",
  full: "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5M4 4l6 6M20 4l-6 6M4 20l6-6M20 20l-6-6",
  reset: "M4 12a8 8 0 1 0 2.500-5.800L4 8.500M4 4v4.500h4.500",
  colors: "M12 3a9 9 0 1 0 0 18c1.500 0 2-1 1.500-2.200-.500-1.300.2-2.300 1.700-2.300H18c2 0 3-1.500 3-4A9 9 0 0 0 12 3zM7.500 12v.1M9.500 7.800v.1M14 7v.1M17.500 10v.1",
  filter: "M4 5h16l-6 8v6l-4-2v-4z",
  camera: "M4 8h4l1.500-3h5L16 8h4v11H4zM12 10a3.200 3.200 0 1 0 0 6.400 3.200 3.200 0 0 0 0-6.400z",
  upload: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  download: "M12 4v12M7 11l5 5 5-5M4 16v4h16v-4",
  search: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500 21 21",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 13l4.500 4.500L19 7",
  more: "M6 12v.1M12 12v.1M18 12v.1",
  fusion: "M9 5a7 7 0 1 0 0 14A7 7 0 0 0 9 5zM15 5a7 7 0 1 1 0 14 7 7 0 0 1 0-14z",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3.500 9.500h17M3.500 14.500h17M12 3c-5 5-5 13 0 18M12 3c5 5 5 13 0 18",
  document: "M6 3h9l4 4v14H6zM15 3v4h4M9 12h7M9 16h7",
  compare: "M4 5h7v14H4zM13 5h7v14h-7M6.500 9h2M15.500 9h2",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  lines: "M4 4v16h16M4 15l5-4 4 3 7-8",
  print: "M7 9V4h10v5M7 17H4V9h16v8h-3M7 14h10v6H7z",
  chevron: "M7 10l5 5 5-5",
  first: "M18 5l-8 7 8 7M6 5v14",
  folder: "M3 6h6l2 2h10v11H3z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
