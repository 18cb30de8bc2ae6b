import Foundation

/// Where the values of an axis stand in a figure: at equal ratios, with zero at the edge, or at equal differences where some
/// are negative.
struct Places {
  /// Where the axis is interrupted behind zero; nil where it has no zero.
  private(set) var gap: Double?
  private let isLogarithmic: Bool
  private let low, high: Double
  private let start, end: Double
  private let zero: Double

  init(_ values: [Double], from start: Double, to end: Double) {
    isLogarithmic = values.allSatisfy { $0 >= 0 }
    let scaled = isLogarithmic ? values.filter { $0 > 0 }.map { log($0) } : values
    (low, high) = (scaled.min() ?? 0, scaled.max() ?? 0)
    zero = start
    let hasZero = isLogarithmic && values.contains(0)
    self.start = hasZero ? start + 60 : start
    self.end = end
    if hasZero { gap = start + 30 }
  }

  subscript(value: Double) -> Double {
    if isLogarithmic, value == 0 { return zero }
    let scaled = isLogarithmic ? log(value) : value
    return high > low ? start + (end - start) * (scaled - low) / (high - low) : (start + end) / 2
  }
}

/// The axis of losses, logarithmic where they differ much.
struct LossAxis {
  let ticks: [Double]
  private let isLogarithmic: Bool
  private let low, high: Double
  private let bottom, top: Double

  init(_ losses: [(loss: Double, error: Double)], from bottom: Double, to top: Double) {
    let (least, most) = (losses.map(\.loss).min()!, losses.map(\.loss).max()!)
    let isLogarithmic = least > 0 && most > 4 * least
    func scaled(_ value: Double) -> Double { isLogarithmic ? log(value) : value }
    // A bar that reaches far down does not decide the range.
    let downs = losses.map { isLogarithmic ? max($0.loss - $0.error, $0.loss / 2) : $0.loss - $0.error }
    let (first, last) = (scaled(downs.min()!), scaled(losses.map { $0.loss + $0.error }.max()!))
    let air = last > first ? 0.06 * (last - first) : max(1e-6, 0.1 * abs(last))
    (low, high) = (first - air, last + air)
    (self.bottom, self.top, self.isLogarithmic) = (bottom, top, isLogarithmic)
    ticks = isLogarithmic ? Self.ratios(low, high) : Self.steps(low, high)
  }

  /// The place of a loss; one outside of the range stands at its end.
  subscript(loss: Double) -> Double {
    let scaled = !isLogarithmic ? loss : loss > 0 ? log(loss) : -.infinity
    return bottom + (top - bottom) * min(1, max(0, (scaled - low) / (high - low)))
  }

  private static func steps(_ low: Double, _ high: Double) -> [Double] {
    let raw = (high - low) / 6
    let power = pow(10, log10(raw).rounded(.down))
    let step = [1, 2, 2.5, 5, 10].map { $0 * power }.first { $0 >= 0.999 * raw }!
    let first = Int((low / step).rounded(.up))
    let last = Int((high / step).rounded(.down))
    return first <= last ? (first...last).map { Double($0) * step } : []
  }

  /// Between the logarithms of losses, which themselves might not be numbers.
  private static func ratios(_ low: Double, _ high: Double) -> [Double] {
    let decades = Int((low / log(10)).rounded(.down))...Int((high / log(10)).rounded(.up))
    let every = (decades.count + 7) / 8
    let factors: [Double] = decades.count > 4 ? [1] : [1, 2, 5]
    let all = decades.filter { $0 % every == 0 }.flatMap { power in factors.map { $0 * pow(10, Double(power)) } }
    return all.filter { $0.isFinite && $0 > 0 && log($0) >= low && log($0) <= high }
  }
}
