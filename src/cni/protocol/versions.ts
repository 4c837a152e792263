/** The versions of the CNI spec that the plugins and the runtime speak, oldest first. */
export const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type Version = (typeof VERSIONS)[number]

/** What a configuration without `cniVersion` means. */
export const OLDEST: Version = '0.1.0'
export const LATEST: Version = '1.1.0'

/** Whether this is a version that we speak. */
export function isVersion(text: string): text is Version {
  return VERSIONS.some((version) => version === text)
}

/** Whether a version is as new as another. */
export function atLeast(version: Version, other: Version): boolean {
  return VERSIONS.indexOf(version) >= VERSIONS.indexOf(other)
}
