import LinearAlgebra

/// An average of the parameters of a run.
///
/// Every rank has the same one without any traffic, as it has the same parameters. It is in float64 whatever their
/// precision: in float32 a change of w|θ − a| is lost where it is less than half a unit in the last place of a, from
/// some 10⁵ steps on altogether.
final class WeightAverage<Scalar: BLASScalar> {
  private(set) var span: AverageSpan
  /// a (P); zeros before the first step that counts.
  let values: Vector<Double>

  init(_ span: AverageSpan, count: Int) {
    (self.span, values) = (span, Vector(zeros: count))
  }

  /// Takes in the parameters θ (P) after `step`. Local.
  func include(_ parameters: Vector<Scalar>, after step: Int) {
    guard let weight = span.include(step: step) else { return }
    // Casts to the two concrete types, so that the loops are specialised.
    if let θ = parameters as? Vector<Float> {
      approach(values, θ, weight)
    } else if let θ = parameters as? Vector<Double> {
      approach(values, θ, weight)
    }
  }

  /// The average in the precision of the run: in float32 a copy, in float64 the numbers themselves, which the next step
  /// changes. nil before the first step that counts.
  var parameters: Vector<Scalar>? {
    if span.isEmpty { return nil }
    if let own = values as? Vector<Scalar> { return own }
    let result = Vector<Scalar>(zeros: values.count)
    if let narrow = result as? Vector<Float> { round(values, to: narrow) }
    return result
  }
}

/// The elements worth a thread of their own.
private let grain = 1 << 16

/// a ← a + w(θ − a), element by element, so that the bits do not depend on the threads.
@inline(__always)
private func approach<Value: BLASScalar>(_ average: Vector<Double>, _ parameters: Vector<Value>, _ w: Double) {
  Threads.parallel(average.count, grain: grain) { range in
    average[range].withElements { a in
      parameters[range].withElements { θ in
        for index in a.indices { a[index] += w * (Double(θ[index]) - a[index]) }
      }
    }
  }
}

private func round(_ values: Vector<Double>, to result: Vector<Float>) {
  Threads.parallel(values.count, grain: grain) { range in
    values[range].withElements { x in
      result[range].withElements { y in
        for index in x.indices { y[index] = Float(x[index]) }
      }
    }
  }
}
