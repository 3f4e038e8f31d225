import { Type } from 'class-transformer';
import { IsInt, IsString, Length, Min, ValidateNested } from 'class-validator';

export class OrderLine {
  @IsString()
  item!: string;

  @IsInt()
  @Min(1)
  count!: number;

  @IsInt()
  @Min(0)
  cents!: number;
}

/** What comes in: a plain object until the ValidationPipe has made it one of these. */
export class Order {
  @Length(3, 20)
  customer!: string;

  @ValidateNested({ each: true })
  @Type(() => OrderLine)
  lines!: OrderLine[];

  total(): number {
    return this.lines.reduce((sum, { count, cents }) => sum + count * cents, 0);
  }
}
