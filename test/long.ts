/** Whether all cases are to be tried (`npm run test:long`), and not only those that there is time for at each change. */
export const isLong = process.env['LONG'] !== undefined
