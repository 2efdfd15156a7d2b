export const square = (size) => size * size;
export const circle = (size) => Math.round(Math.PI * size * size);
export const unused = () => "nobody calls this";
