/** A trigonometric series that stands for a function. */
export interface Series {
  /** log2 of the period in units of the argument */
  period: number;
  /** the period is that divided by it; 1 if absent */
  step?: number;
  /** fractional bits of the dealer's tables, where they have fewer than the public factors */
  tableBits?: number;
  constantTerm: number;
  /** pairs (a_k, b_k) of cosines and sines */
  coefficients: [number, number][];
}

/** A function as a trigonometric series inside thresholds; tools/fit-series.js prints the coefficients. */
export interface Fit extends Series {
  /** the series stands for the function on [−threshold, threshold + 2^−4] */
  threshold: number;
  /**
   * fractional bits of the argument and of the result, 16 if absent. With fewer the comparisons have a resolution of ½,
   * and the series holds to threshold + ½ on either side
   */
  fracBits?: number;
  /** x/2 is added to the series */
  linear: boolean;
  /** a shorter one, where the opening of the argument has the bits of its period */
  short?: Series;
  /** the function is so near its ends within the thresholds that comparisons at a resolution of ⅛ do */
  byEighths?: boolean;
  /** value below the interval, and above it: a constant, or x itself */
  low: number;
  high: number | 'x';
  /** fractional bits of the public factors, and of the dealer's tables */
  seriesBits: number;
  /** values inside the interval, less `low`, are below 2^magnitude − ½ */
  magnitude: number;
}

const cosines = (a: number[]): Pick<Fit, 'constantTerm' | 'coefficients'> => ({
  constantTerm: a[0]!,
  coefficients: a.slice(1).map((v) => [v, 0]),
});
const sines = (constantTerm: number, b: number[]): Pick<Fit, 'constantTerm' | 'coefficients'> => ({
  constantTerm,
  coefficients: b.map((v) => [0, v]),
});

const TANH = [
  1.03045018, 0.30848176, -0.15569142, 0.45385312, -0.37116645, 0.38820059, -0.2864234, 0.2201932, -0.1359985,
  0.08175093, -0.03939417, 0.01757888, -0.00548027, 0.00143465,
];

/** Periods of 12.8 and 13.5, at which seven cosines do what eight do at 16. */
const GELU_SHORT = { period: 22, step: 5, tableBits: 17 } as const;
const COARSE_SHORT = { period: 21, step: 19, tableBits: 15 } as const;

/** Of functions whose argument and result have 13 fractional bits. */
const coarse = { threshold: 4.5, fracBits: 13, period: 17, seriesBits: 16, magnitude: 3 } as const;

const halfLine = { low: 0, high: 'x', linear: true } as const;

/** The series that stand for functions, by the function's name, each with the largest error of its fit. */
export const fits = {
  /** x·erf(x/√2)/2 on |x| ≤ 4.5: fit 1.4e-5, the short one 9.9e-6, tails 2.7e-5 */
  geluErf: {
    ...halfLine,
    byEighths: true,
    ...cosines([
      1.59384905, -0.97177366, -0.62311271, 0.22955516, -0.27315991, 0.09629406, -0.06066087, 0.01361412, -0.00459157,
    ]),
    short: {
      ...GELU_SHORT,
      ...cosines([
        1.5440433299, -1.3287958289, -0.0653819689, -0.1216084341, -0.011880181, -0.0151441674, -0.0002462828,
        -0.0009913876,
      ]),
    },
    threshold: 4.5,
    period: 20,
    seriesBits: 18,
    magnitude: 3,
  },
  /** the same on |x| ≤ 5 for operands of 13 bits: fit 3.2e-5, the short one 2.9e-5 */
  geluErfCoarse: {
    ...halfLine,
    ...cosines([
      1.8292949107, -1.4116089868, -0.2655759373, -0.0213841014, -0.1233755795, 0.0222349732, -0.0317220575,
      0.005482167, -0.0033139483,
    ]),
    short: {
      ...COARSE_SHORT,
      ...cosines([
        1.6314716562, -1.3973340569, -0.0648172903, -0.1338655367, -0.0139244136, -0.0193408823, -0.0005473546,
        -0.0016132204,
      ]),
    },
    ...coarse,
  },
  /** x·tanh(√(2/π)(x + 0.044715x³))/2 on |x| ≤ 4.5: fit 2.1e-5, the short one 1.8e-5 */
  geluTanh: {
    ...halfLine,
    byEighths: true,
    ...cosines([
      1.4550909865, -0.7117712793, -0.8362673604, 0.3811184462, -0.3657772239, 0.1437773214, -0.0800669436,
      0.0196388877, -0.0057222639,
    ]),
    short: {
      ...GELU_SHORT,
      ...cosines([
        1.545183832, -1.3308648164, -0.0637841945, -0.1230449555, -0.0107892968, -0.0156065569, 0.0000652099,
        -0.0011417555,
      ]),
    },
    threshold: 4.5,
    period: 20,
    seriesBits: 18,
    magnitude: 3,
  },
  /** the same on |x| ≤ 5 for operands of 13 bits: fit 4.5e-5, the short one 5e-5 */
  geluTanhCoarse: {
    ...halfLine,
    ...cosines([
      1.7923302416, -1.3416863429, -0.3244162975, 0.0221160272, -0.1517080735, 0.0380860524, -0.038851586, 0.0080914495,
      -0.0039164336,
    ]),
    short: {
      ...COARSE_SHORT,
      ...cosines([
        1.6323966627, -1.3989974339, -0.0635262235, -0.1351150104, -0.0129801544, -0.019751436, -0.0002091049,
        -0.0017676871,
      ]),
    },
    ...coarse,
  },
  /** x·tanh(x/2)/2 on |x| ≤ 14: fit 8.5e-6, tails 1.2e-5 */
  silu: {
    ...halfLine,
    ...cosines([
      3.9412902033, -3.3177089624, -0.0744101721, -0.3748776244, -0.0193080435, -0.1084130165, 0.0018115984,
      -0.0374551289, 0.0050432121, -0.0140909119, 0.0036376788, -0.0055294662, 0.0019623391, -0.0021559951,
      0.0008811825, -0.000787857, 0.000326586, -0.0002494556, 0.0000902484, -0.0000603005, 0.0000123499,
    ]),
    threshold: 14,
    period: 21,
    seriesBits: 20,
    magnitude: 4,
  },
  /** ln(2cosh(x/2)) on |x| ≤ 12: fit 1.9e-6, tails 6.1e-6 */
  softplus: {
    ...halfLine,
    ...cosines([
      3.9994508227, -3.0416955113, -0.0100200878, -0.1982904344, -0.020759, -0.0148454932, -0.0202780419, 0.009444176,
      -0.0131901943, 0.0077010687, -0.0062286873, 0.0033785598, -0.0021030518, 0.000946333, -0.0004558516, 0.0001394253,
      -0.0000449158,
    ]),
    threshold: 12,
    period: 21,
    seriesBits: 20,
    magnitude: 4,
  },
  /** on |x| ≤ 5.5: 3.4e-5 with the tails */
  tanh: {
    ...sines(0, TANH),
    threshold: 5.5,
    period: 20,
    linear: false,
    low: -1,
    high: 1,
    seriesBits: 18,
    magnitude: 2,
  },
  /** ½ + ½·tanh(x/2): the same series, half as high and twice as wide */
  sigmoid: {
    ...sines(
      0.5,
      TANH.map((v) => v / 2),
    ),
    threshold: 11,
    period: 21,
    linear: false,
    low: 0,
    high: 1,
    seriesBits: 18,
    magnitude: 1,
  },
  /** on |x| ≤ 5: fit 5e-7 */
  erf: {
    ...sines(
      0,
      [
        1.14517263, 0.14464864, 0.11650527, 0.19288535, -0.07955894, 0.14378382, -0.07713619, 0.06806424, -0.03309317,
        0.01992724, -0.00758363, 0.00313098, -0.00073459, 0.00016807,
      ],
    ),
    threshold: 5,
    period: 20,
    linear: false,
    low: -1,
    high: 1,
    seriesBits: 18,
    magnitude: 2,
  },
} satisfies Record<string, Fit>;
