export interface Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: Error): void;
}

/** A promise that a test settles. */
export function deferred<Value = void>(): Deferred<Value> {
  let [resolve, reject]: [(value: Value) => void, (error: Error) => void] = [() => {}, () => {}];
  const promise = new Promise<Value>((settle, fail) => ([resolve, reject] = [settle, fail]));
  return { promise, resolve: (value) => resolve(value), reject: (error) => reject(error) };
}
