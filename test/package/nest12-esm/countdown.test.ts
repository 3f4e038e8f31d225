import 'reflect-metadata';
import type { INestMicroservice } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { StreambackClient, StreambackServer } from 'nestjs-streamback';
import * as testing from 'nestjs-streamback/testing';
import { lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AppModule } from './countdown.js';

let app: INestMicroservice;

beforeAll(async () => {
  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  app = module.createNestMicroservice({ strategy: module.get(StreambackServer), logger: false });
  await app.listen();
});

afterAll(() => app?.close());

it('streams the answers of one request', async () => {
  const answers = app.get(StreambackClient).send<{ left: number; topic: string }>('countdown.start', { from: 3 });
  expect(await lastValueFrom(answers.pipe(toArray()))).toEqual([3, 2, 1].map((left) => ({ left, topic: 'countdown.start' })));
});

it('has the contract suites', () => {
  expect(typeof testing.testMainStream).toBe('function');
  expect(typeof testing.testFeedbackStream).toBe('function');
});
