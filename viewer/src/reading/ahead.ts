// What runs before anything else of the reading page, and before the rest has even arrived: it takes
// what the head of the page has asked for, and has the first image decoded.

import { begin } from "../net/early";
import { webGl } from "../render/webgl";

// The file it comes in (vite.config.ts) has what other pages need too.
if (location.pathname.endsWith("/read.html")) {
  const query = new URLSearchParams(location.search);
  const wanted = query.get("series");
  for (const study of query.getAll("study")) begin(study, wanted);
  // The page needs to know soon, and now there is nothing to do but wait.
  (window.requestIdleCallback ?? setTimeout)(() => webGl());
}
