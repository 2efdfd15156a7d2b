export default { build: { modulePreload: { polyfill: false }, emptyOutDir: true } };
