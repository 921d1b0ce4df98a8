/** The peak of this process's memory, in bytes. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}
