// A measurement as the standard's graphic types have it: SCOORD of reports (PS3.3 §C.18.6.1.2),
// graphic objects of presentation states (PS3.3 §C.10.5.1.2). Both count as image coordinates do.

import type { Vec2 } from "../geometry/vector";
import { rectangleCorners } from "./rectangle";
import { boundsOf } from "./statistics";
import type { Annotation } from "./annotation";

export interface Graphic {
  readonly type: "POINT" | "POLYLINE" | "ELLIPSE";
  readonly points: readonly Vec2[];
}

/** `short`: of two perpendicular diameters, the shorter. */
export function graphic({ tool, points }: Annotation, short = false): Graphic {
  switch (tool) {
    case "probe":
    case "text":
      return { type: "POINT", points: [points[0]!] };
    case "bidirectional":
      return { type: "POLYLINE", points: diameter(points, short) };
    case "rectangle": {
      const corners = rectangleCorners(points);
      return { type: "POLYLINE", points: [...corners, corners[0]!] };
    }
    case "ellipse": {
      const { min, max } = boundsOf(points);
      const [cx, cy] = [(min[0] + max[0]) / 2, (min[1] + max[1]) / 2];
      const wide: Vec2[] = [[min[0], cy], [max[0], cy]];
      const tall: Vec2[] = [[cx, min[1]], [cx, max[1]]];
      // The major axis comes first.
      return { type: "ELLIPSE", points: max[0] - min[0] >= max[1] - min[1] ? [...wide, ...tall] : [...tall, ...wide] };
    }
    case "freehand":
    case "polygon":
      return { type: "POLYLINE", points: [...points, points[0]!] };
    default:
      return { type: "POLYLINE", points };
  }
}

function diameter(points: readonly Vec2[], short: boolean): readonly Vec2[] {
  const size = ([a, b]: readonly Vec2[]): number => Math.hypot(a![0] - b![0], a![1] - b![1]);
  const [first, second] = [points.slice(0, 2), points.slice(2, 4)];
  return size(first) >= size(second) === !short ? first : second;
}
