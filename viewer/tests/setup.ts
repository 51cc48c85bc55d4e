// What modules of the page expect of a browser when they are loaded in Node.
Object.assign(globalThis, {
  location: { search: "?lang=en", href: "http://localhost/", pathname: "/" },
  localStorage: { getItem: () => null, setItem: () => undefined },
});
