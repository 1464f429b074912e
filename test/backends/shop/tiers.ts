export const tier = (sum: number): string => (sum > 100 ? "large" : "small");
