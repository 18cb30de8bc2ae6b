/// A stretch of consecutive points of a curve: its position and the range of its values.
struct CurveBucket: Equatable, Sendable {
  var step: Double
  var seconds: Double
  var mean: Double
  var minimum: Double
  var maximum: Double
}

/// Reduces long curves to a limited number of points.
enum Downsampling {
  /// At most `limit` consecutive ranges that cover 0..<count, equally long up to rounding.
  static func ranges(_ count: Int, limit: Int) -> [Range<Int>] {
    let pieces = min(count, limit)
    return (0..<pieces).map { $0 * count / pieces..<($0 + 1) * count / pieces }
  }

  /// The points in at most `limit` buckets, which keep the extremes, so that no spike is lost.
  static func buckets(_ points: [RunRecord.Point], limit: Int) -> [CurveBucket] {
    ranges(points.count, limit: limit).map { range in
      let part = points[range]
      let count = Double(part.count)
      return CurveBucket(
        step: part.reduce(0) { $0 + Double($1.step) } / count, seconds: part.reduce(0) { $0 + $1.seconds } / count,
        mean: part.reduce(0) { $0 + $1.value } / count, minimum: part.map(\.value).min()!,
        maximum: part.map(\.value).max()!)
    }
  }

  /// The means of at most `limit` stretches; the means of the parts add up as the parts do.
  static func stretches(
    _ points: [RunRecord.PhasePoint], limit: Int
  ) -> [(step: Double, seconds: Double, parts: [Double])] {
    ranges(points.count, limit: limit).map { range in
      let part = points[range]
      let count = Double(part.count)
      var sums = [Double](repeating: 0, count: part.first!.parts.count)
      for point in part { for index in sums.indices { sums[index] += point.parts[index] } }
      return (
        part.reduce(0) { $0 + Double($1.step) } / count, part.reduce(0) { $0 + $1.seconds } / count,
        sums.map { $0 / count }
      )
    }
  }
}
