import { Injectable, Scope, type Provider } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { expect, it } from 'vitest';
import { Remote } from '../../../lib';
import { RemoteExplorer } from '../../../lib/transport/remote.explorer';

async function explored(connection: string, ...providers: Provider[]): Promise<readonly string[]> {
  const module = await Test.createTestingModule({ imports: [DiscoveryModule], providers: [RemoteExplorer, ...providers] }).compile();
  const remotes = module.get(RemoteExplorer).explore(connection);
  return remotes.map(({ method }) => method);
}

@Injectable()
class Prices {
  @Remote()
  one(): number {
    return 1;
  }
  @Remote({ connection: 'audit' })
  two(): number {
    return 2;
  }
  three(): number {
    return 3;
  }
}

it("finds a connection's methods, each once", async () => {
  const same = { provide: 'same', useExisting: Prices };
  expect(await explored('default', Prices, same)).toEqual(['one']);
  expect(await explored('audit', Prices, same)).toEqual(['two']);
});

it.each([Scope.REQUEST, Scope.TRANSIENT])(
  'refuses a provider of scope %s: there is not one whose method could be called',
  async (scope) => {
    @Injectable({ scope })
    class Anew extends Prices {}
    await expect(explored('default', Anew)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'remote(Anew)' });
  },
);

it('passes over what an instance has put in the place of a method', async () => {
  const hiding = { provide: 'hiding', useValue: Object.assign(new Prices(), { one: null, three: 3 }) };
  expect(await explored('default', hiding)).toEqual([]);
});
