export class Money {
  readonly cents: number;

  constructor(cents: number) {
    this.cents = cents;
  }
}

export const money = (euros: number): Money => new Money(euros * 100);
