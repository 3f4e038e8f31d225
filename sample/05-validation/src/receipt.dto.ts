import { Type } from 'class-transformer';

/** What goes out: JSON on the way, and one of these again where the sender asks for it. */
export class Receipt {
  customer!: string;
  cents!: number;

  @Type(() => Date)
  at!: Date;

  text(): string {
    return `${this.customer} owes ${(this.cents / 100).toFixed(2)}, ${this.at.getUTCFullYear()}`;
  }
}
