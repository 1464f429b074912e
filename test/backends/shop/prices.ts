export const price = (count: number): number => count * 100;
export const rates = { tax: 0.2 };
export default function currency(): string {
  return "EUR";
}
