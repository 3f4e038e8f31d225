import { createRequire } from 'node:module';
import { StreambackConfigError } from './errors';

const requireFrom = createRequire(__filename);

/**
 * Loads a package when it is first used: an app pays for the streams that it uses alone, and may leave out what is optional.
 * @param neededFor what cannot be had without it, for the error: `redis:// streams`
 * @throws StreambackConfigError MISSING_PACKAGE
 */
export function loadPackage<Package>(name: string, neededFor: string): Package {
  try {
    return requireFrom(name) as Package;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw cause;
    throw new StreambackConfigError('MISSING_PACKAGE', `${neededFor} need the package '${name}', which is not installed`, {
      cause,
      remedy: `npm install ${name}`,
    });
  }
}
