/** The versions of the CNI spec that our plugins and our runtime support, oldest first. */
export const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
/** A version of the CNI spec, such as `1.1.0`. */
export type Version = (typeof VERSIONS)[number]

/** The version of a configuration without `cniVersion`. */
export const OLDEST: Version = '0.1.0'
/** The version in which we speak where nobody asks for another. */
export const LATEST: Version = '1.1.0'

/** Whether this is a version that we support. */
export function isVersion(text: string): text is Version {
  return VERSIONS.some((version) => version === text)
}

/** Whether a version is the same as another, or newer. */
export function atLeast(version: Version, other: Version): boolean {
  return VERSIONS.indexOf(version) >= VERSIONS.indexOf(other)
}
