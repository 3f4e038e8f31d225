import type { Assigner } from 'kafkajs';
import { assignPartitions } from './kafka.assignment';
import { decodeMember, encodeAssignment, encodeMember, type MemberClaim } from './kafka.member-metadata';

/** The protocol of our own members: partitions change hands in two rounds, so that work is finished first. */
export const COOPERATIVE_PROTOCOL = 'streamback';
/** Spoken beside it, so that members of another program can be in the group, as in a migration. */
export const EAGER_PROTOCOL = 'range';

export interface AssignerOptions {
  readonly name: typeof COOPERATIVE_PROTOCOL | typeof EAGER_PROTOCOL;
  /** What this member holds, for the leader. */
  readonly claim: () => MemberClaim;
  /** The partitions of any topic that a member named; none where there is no such topic. */
  readonly partitionsOf: (topic: string) => Promise<readonly number[]>;
}

/** kafkajs' assigner, for a group protocol. Its own ones ignore what each member subscribed to, and are not sticky. */
export function createAssigner({ name, claim, partitionsOf }: AssignerOptions): Assigner {
  return {
    name,
    version: 0,
    protocol: ({ topics }) => ({ name, metadata: encodeMember({ topics, claim: claim() }) }),
    async assign({ members }) {
      const decoded = members.map(({ memberId, memberMetadata }) => ({ id: memberId, ...decodeMember(memberMetadata) }));
      const partitions = new Map<string, readonly number[]>();
      for (const topic of new Set(decoded.flatMap(({ topics }) => topics))) partitions.set(topic, await partitionsOf(topic));
      const assignments = assignPartitions(decoded, partitions, name === COOPERATIVE_PROTOCOL);
      return [...assignments].map(([memberId, assignment]) => ({ memberId, memberAssignment: encodeAssignment(assignment) }));
    },
  };
}
