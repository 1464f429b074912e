/** Imported by the closures of the application, natively on every runner. */
export class Box {
  readonly size: number;
  constructor(size: number) {
    this.size = size;
  }
}
export class Lid {
  readonly fits = true;
}
export class Hinge {}
export const makeLid = (): Lid => new Lid();
export const triple = (value: number): number => value * 3;
export const loaded = { pid: process.pid };
