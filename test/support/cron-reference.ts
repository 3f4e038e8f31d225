/**
 * What an expression is due at, found second by second: slow, and of nothing that lib uses. Fields are `*`, numbers, lists, ranges and steps; day of
 * the month or of the week must be `*`.
 */
export function slotsBetween(expression: string, timeZone: string, from: number, to: number): number[] {
  const fields = expression.split(' ');
  if (fields.length === 5) fields.unshift('0');
  const isEveryHour = fields[2] === '*';
  const allowed = fields.map((field, at) => numbersOf(field, LIMITS[at]!));
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  const aheadByMinute = new Map<number, number>();
  /** What the clock shows, as if it showed UTC. It is changed at whole minutes. */
  const shownAt = (moment: number): number => {
    const minute = Math.floor(moment / 60_000) * 60_000;
    const ahead = aheadByMinute.get(minute) ?? Date.parse(`${format.format(minute).replace(' ', 'T')}Z`) - minute;
    aheadByMinute.set(minute, ahead);
    return moment + ahead;
  };
  const matches = (shown: number): boolean => {
    const date = new Date(shown);
    if (!allowed[0]!.has(date.getUTCSeconds()) || !allowed[1]!.has(date.getUTCMinutes())) return false;
    const parts = [
      date.getUTCSeconds(),
      date.getUTCMinutes(),
      date.getUTCHours(),
      date.getUTCDate(),
      date.getUTCMonth() + 1,
      date.getUTCDay(),
    ];
    return parts.every((part, at) => allowed[at]!.has(part));
  };
  const slots: number[] = [];
  // From a while before, so that what the clock shows again is known.
  let latest = shownAt(from - WARM_UP_MS) - 1_000;
  for (let moment = from - WARM_UP_MS; moment < to; moment += 1_000) {
    const shown = shownAt(moment);
    let isDue = matches(shown) && (isEveryHour || shown > latest);
    for (let leapt = latest + 1_000; !isEveryHour && leapt < shown; leapt += 1_000) isDue ||= matches(leapt);
    latest = Math.max(latest, shown);
    if (isDue && moment > from) slots.push(moment);
  }
  return slots;
}

/** More than any clock goes back. */
const WARM_UP_MS = 3 * 3_600_000;

const LIMITS = [
  [0, 59],
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 6],
] as const;

function numbersOf(field: string, [low, high]: readonly [number, number]): Set<number> {
  const numbers = field.split(',').flatMap((part) => {
    const [range = '', step = '1'] = part.split('/');
    const [first = low, last = part.includes('/') ? high : first] = range === '*' ? [low, high] : range.split('-').map(Number);
    return Array.from({ length: Math.floor((last - first) / Number(step)) + 1 }, (_, at) => first + at * Number(step));
  });
  return new Set(numbers);
}
