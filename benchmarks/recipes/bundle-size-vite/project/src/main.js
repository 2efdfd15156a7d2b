import { area } from "./area.js";

globalThis.area = area;
