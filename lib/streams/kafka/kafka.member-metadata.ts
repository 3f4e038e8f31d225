import { kafkajs } from './kafka.package';

/** Partitions by topic. */
export type PartitionsByTopic = Readonly<Record<string, readonly number[]>>;

/** What a member of ours tells the leader beside its topics. */
export interface MemberClaim {
  /** The last generation the member joined; -1: none. An older one than others' means that it missed a round. */
  readonly generation: number;
  /** What it holds: read, handled, and possibly not all committed. */
  readonly owned: PartitionsByTopic;
  /** Those of `owned` with work in flight: taken away last. */
  readonly busy: PartitionsByTopic;
}

export interface MemberSubscription {
  readonly topics: readonly string[];
  /** Absent where the member is another program. */
  readonly claim?: MemberClaim;
}

const VERSION = 0;
const MARK = 'streamback';

/** Kafka's own form of a member's metadata; the claim is in `userData`, which other programs pass over. */
export function encodeMember({ topics, claim }: MemberSubscription): Buffer {
  const userData = claim ? Buffer.from(JSON.stringify({ by: MARK, ...claim })) : Buffer.alloc(0);
  return kafkajs().AssignerProtocol.MemberMetadata.encode({ version: VERSION, topics: [...topics], userData });
}

/** Reads any program's metadata; what is not ours in `userData` is passed over. */
export function decodeMember(metadata: Buffer): MemberSubscription {
  const decoded = kafkajs().AssignerProtocol.MemberMetadata.decode(metadata);
  if (!decoded) return { topics: [] };
  const claim = decodeClaim(decoded.userData);
  return claim ? { topics: decoded.topics, claim } : { topics: decoded.topics };
}

export function encodeAssignment(assignment: PartitionsByTopic): Buffer {
  const plain = Object.fromEntries(Object.entries(assignment).map(([topic, partitions]) => [topic, [...partitions]]));
  return kafkajs().AssignerProtocol.MemberAssignment.encode({ version: VERSION, assignment: plain, userData: Buffer.alloc(0) });
}

/** A claim that is not in the form that members of ours give it counts as none: any program may join a group. */
function decodeClaim(userData: Buffer | null): MemberClaim | undefined {
  if (!userData || userData.length === 0) return undefined;
  try {
    const { by, generation, owned = {}, busy = {} } = JSON.parse(userData.toString('utf8')) as Record<string, unknown>;
    if (by !== MARK || !Number.isSafeInteger(generation) || !arePartitionsByTopic(owned) || !arePartitionsByTopic(busy)) return undefined;
    return { generation: generation as number, owned, busy };
  } catch {
    return undefined;
  }
}

function arePartitionsByTopic(value: unknown): value is PartitionsByTopic {
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every((partitions) => Array.isArray(partitions) && partitions.every(Number.isSafeInteger));
}
