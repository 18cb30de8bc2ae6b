/// Vectors of one precision taken into another, element by element, so that no bit depends on the threads.
extension Vector<Double> {
  /// self ← self + x.
  @specialized(where Source == Float)
  @specialized(where Source == Double)
  package func add<Source: BLASScalar>(_ x: Vector<Source>) {
    precondition(count == x.count, "vectors differ in count")
    Threads.parallel(count, grain: 1 << 15) { range in
      self[range].withElements { sum in
        x[range].withElements { x in
          for index in sum.indices { sum[index] += Double(x[index]) }
        }
      }
    }
  }

  /// self ← x.
  package func assign<Source: BLASScalar>(widening x: Vector<Source>) {
    fill(0)
    add(x)
  }
}

extension Vector {
  /// self ← x, rounded.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func assign(rounding x: Vector<Double>) {
    precondition(count == x.count, "vectors differ in count")
    Threads.parallel(count, grain: 1 << 15) { range in
      self[range].withElements { result in
        x[range].withElements { x in
          for index in result.indices { result[index] = Scalar(x[index]) }
        }
      }
    }
  }
}
