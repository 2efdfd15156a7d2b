import { circle, square } from "./shapes.js";

export function area(kind, size) {
  return kind === "square" ? square(size) : kind === "circle" ? circle(size) : 0;
}
