exports.Box = class Box {
  constructor(size) {
    this.size = size;
  }
};
exports.triple = (value) => value * 3;
exports.makeBox = () => new exports.Box(1);
