import { createHash, randomInt } from 'node:crypto';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { expect, it } from 'vitest';
import { type StreambackContext, StreambackModule, StreambackServer } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { Random } from '../support/random';
import { describeWith } from '../support/servers';
import { fuzzedValues } from './fuzzed-values';
import { FULL_SIZE } from './kafka-load';
import { publishRaw, readRaw } from './raw-kafka';

const VALUES = FULL_SIZE ? 10_000 : 500;
const SEED = Number(process.env.STREAMBACK_TEST_SEED ?? randomInt(2 ** 31));

const digest = (value: Buffer | null): string => (value === null ? 'null' : createHash('sha256').update(value).digest('base64'));

describeWith(['kafka'], 'R8 malformed values', ({ kafkaUrl }) => {
  it(`${VALUES} fuzzed values: every bad one is dead-lettered with its bytes, every good one handled`, { timeout: 300_000 }, async () => {
    console.info(`R8: STREAMBACK_TEST_SEED=${SEED}`);
    const topic = freshName('fuzzed');
    const handled = new Map<string, string[]>();
    let undefinedData = 0;
    @Controller()
    class Target {
      @EventPattern<string>(topic)
      take(@Payload() data: unknown, @Ctx() context: StreambackContext): void {
        if (data === undefined) undefinedData += 1;
        const id = context.getKey()!;
        handled.set(id, [...(handled.get(id) ?? []), digest(context.getMessage().value)]);
      }
    }
    @Module({
      imports: [StreambackModule.forRoot({ group: topic, streams: `main=${kafkaUrl}`, kafka: { partitions: 4 } })],
      controllers: [Target],
    })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();

    const values = fuzzedValues(new Random(SEED), VALUES);
    const good = values.flatMap((each, n) => (each.good ? [String(n)] : []));
    const bad = values.flatMap((each, n) => (each.good ? [] : [String(n)]));
    await publishRaw(
      kafkaUrl,
      topic,
      values.map(({ value }, n) => ({ key: String(n), value })),
    );
    const missing = (): string[] => good.filter((id) => !handled.has(id));
    await eventually('every good one is handled', () => missing().length === 0, { timeoutMs: 120_000, intervalMs: 100 }).catch(
      (cause: unknown) => {
        const kinds = missing().map((id) => `${id} (${values[Number(id)]!.kind})`);
        throw new Error(`${kinds.length} of ${good.length} good ones are not handled: ${kinds.slice(0, 20).join(', ')}`, { cause });
      },
    );
    const letters = new Map<string, string[]>();
    for (const { key, value } of await readRaw(kafkaUrl, `${topic}.dlt`, bad.length, 200_000)) {
      letters.set(String(key), [...(letters.get(String(key)) ?? []), digest(value)]);
    }
    const asTheyWere = (ids: readonly string[], where: ReadonlyMap<string, string[]>): number =>
      ids.filter((id) => where.get(id)?.every((each) => each === digest(values[Number(id)]!.value))).length;
    const twice = (where: ReadonlyMap<string, string[]>): number => [...where.values()].filter(({ length }) => length > 1).length;
    const strays = [...handled.keys()].filter((id) => !values[Number(id)]!.good);
    const strayLetters = [...letters.keys()].filter((id) => values[Number(id)]!.good);
    console.info(
      `R8: ${VALUES} values of ${new Set(values.map(({ kind }) => kind)).size} kinds: ` +
        `${good.length} good, ${asTheyWere(good, handled)} handled, ${twice(handled)} twice; ` +
        `${bad.length} bad, ${asTheyWere(bad, letters)} dead-lettered with their bytes, ${twice(letters)} twice; ` +
        `${strays.length} bad handled, ${strayLetters.length} good dead-lettered`,
    );
    expect([asTheyWere(good, handled), asTheyWere(bad, letters)]).toEqual([good.length, bad.length]);
    expect([strays, strayLetters, undefinedData]).toEqual([[], [], 0]);
    // Twice is what a publish that was acknowledged too late may be.
    expect(twice(handled) + twice(letters)).toBeLessThanOrEqual(VALUES / 100);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    await app.close();
  });
});
