import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../../bench/arguments';
import { PEERS } from '../../../bench/peers';
import { WORKLOADS } from '../../../bench/workloads';

const namesOf = (all: readonly { readonly name: string }[]): string[] => all.map(({ name }) => name);

describe('the arguments of the bench', () => {
  it('runs everything without a word', () => {
    const { peers, workloads, pinned, profile, json } = parseArguments([]);
    expect(namesOf(peers)).toEqual(namesOf(PEERS));
    expect(namesOf(workloads)).toEqual(namesOf(WORKLOADS));
    expect({ pinned, profile, json }).toEqual({ pinned: true, profile: undefined, json: undefined });
  });

  it('takes peers and workloads by name, in the order of the table', () => {
    const args = ['--peers', 'streamback,handwritten', '--workloads', 'rpc100', '--rounds', '5', '--seconds', '0.5', '--no-pin'];
    const { peers, workloads, rounds, seconds, pinned } = parseArguments(args);
    expect(namesOf(peers)).toEqual(['handwritten', 'streamback']);
    expect(namesOf(workloads)).toEqual(['rpc100']);
    expect({ rounds, seconds, pinned }).toEqual({ rounds: 5, seconds: 0.5, pinned: false });
  });

  it('has a short form, that other arguments still change', () => {
    const { peers, seconds } = parseArguments(['--short', '--peers', 'memory']);
    expect(namesOf(peers)).toEqual(['memory']);
    expect(seconds).toBeLessThan(0.5);
  });

  it.each([
    [['--peers', 'streamback,nest-kafak'], `--peers knows no 'nest-kafak'; there are ${namesOf(PEERS).join(', ')}`],
    [['--workloads', 'rpc2'], `--workloads knows no 'rpc2'; there are ${namesOf(WORKLOADS).join(', ')}`],
    [['--rounds', '0'], `--rounds must be a number above 0, not '0'`],
    [['--seconds', 'two'], `--seconds must be a number above 0, not 'two'`],
    [['--idle=-1'], `--idle must be a number from 0 on, not '-1'`],
    [['--only', 'rpc1'], `Unknown option '--only'`],
  ])('refuses %j, and says what is right', (args, expected) => {
    expect(() => parseArguments(args)).toThrow(expected);
  });
});
