import Glibc

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014): 64 bits of state,
/// period 2⁶⁴.
///
/// All random numbers of a run come from this type instead of the standard library's algorithms, so that a seed gives
/// the same batches and the same initial weights with every compiler version.
public struct SplitMix64: RandomNumberGenerator, Equatable, Sendable {
  private var state: UInt64

  /// The generator of the published reference code, started at `seed`.
  public init(seed: UInt64) {
    state = seed
  }

  /// The generator number `stream` of `seed`.
  ///
  /// Both numbers pass through the mixer before they form the state: with the plain sum `seed + stream`, neighbouring
  /// streams would be shifted copies of one another.
  public init(seed: UInt64, stream: UInt64) {
    state = Self.mix(Self.mix(seed &+ Self.increment) &+ stream)
  }

  /// 64 independent random bits.
  public mutating func next() -> UInt64 {
    state &+= Self.increment
    return Self.mix(state)
  }

  /// An unbiased integer in 0..<bound (Lemire: Fast random integer generation in an interval, 2019). The bound must be
  /// positive.
  public mutating func next(below bound: UInt64) -> UInt64 {
    precondition(bound > 0, "there is no integer below 0")
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      // The first 2⁶⁴ mod bound low words would count one result too often.
      let threshold = (0 &- bound) % bound
      while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
    }
    return product.high
  }

  /// A double in [0, 1), a multiple of 2⁻⁵³.
  public mutating func nextUniform() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// A standard normal double by Marsaglia's polar method; never infinite.
  ///
  /// The method's second value is dropped, so that the generator is a plain function of its state.
  public mutating func nextNormal() -> Double {
    while true {
      let x = 2 * nextUniform() - 1
      let y = 2 * nextUniform() - 1
      let square = x * x + y * y
      if square > 0 && square < 1 { return x * (-2 * log(square) / square).squareRoot() }
    }
  }

  /// Shuffles the elements; all orders are equally likely (Fisher and Yates).
  public mutating func shuffle<Element>(_ elements: inout [Element]) {
    for last in stride(from: elements.count - 1, to: 0, by: -1) {
      elements.swapAt(last, Int(next(below: UInt64(last + 1))))
    }
  }

  private static let increment: UInt64 = 0x9e37_79b9_7f4a_7c15

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
