/// Kernels are compiled on the assumption that their results share no memory with operands; otherwise results are
/// undefined. Debug builds check this.
let overlap = "the result shares memory with an operand"

extension UnsafeMutableBufferPointer where Element: BLASScalar {
  /// Whether the buffers share no memory.
  func isDisjoint(from other: UnsafeMutableBufferPointer) -> Bool {
    guard let start = baseAddress, let otherStart = other.baseAddress, !isEmpty, !other.isEmpty else { return true }
    return start + count <= otherStart || otherStart + other.count <= start
  }

  /// The largest element; −∞ if there is none. NaN is skipped.
  @inline(__always)
  package var maximum: Element { isEmpty ? -.infinity : Element.max(baseAddress!, count) }

  /// Replaces each x by exp(x − shift) and returns their sum.
  @inline(__always)
  package func assignExponentials(shift: Element) -> Double {
    isEmpty ? 0 : Element.exponentials(baseAddress!, shift: shift, count)
  }

  /// Σ x·y, accumulated in `Double`.
  @inline(__always)
  package func dot(_ other: UnsafeMutableBufferPointer) -> Double {
    precondition(count == other.count, "buffers differ in count")
    return isEmpty ? 0 : Element.dot(baseAddress!, other.baseAddress!, count)
  }

  /// (Σ self·x, Σ self·x²), accumulated in `Double`: moments of x under the weights self.
  @inline(__always)
  package func weightedMoments(_ x: UnsafeMutableBufferPointer) -> (first: Double, second: Double) {
    precondition(count == x.count, "buffers differ in count")
    return isEmpty ? (0, 0) : Element.weightedMoments(baseAddress!, x.baseAddress!, count)
  }

  /// self ← a·self.
  @inline(__always)
  package func scale(_ a: Element) {
    if !isEmpty { Element.scale(a, baseAddress!, count) }
  }

  /// self ← a·x.
  @inline(__always)
  package func assignScaled(_ a: Element, _ x: UnsafeMutableBufferPointer) {
    precondition(count == x.count, "buffers differ in count")
    assert(isDisjoint(from: x), overlap)
    if !isEmpty { Element.combine(a, x.baseAddress!, 0, baseAddress!, count) }
  }

  /// self ← v·(common − complement·(self − mean)), element by element.
  @inline(__always)
  package func assignCurvature(
    _ v: UnsafeMutableBufferPointer, common: Element, complement: Element, mean: Element
  ) {
    precondition(count == v.count, "buffers differ in count")
    assert(isDisjoint(from: v), overlap)
    if !isEmpty {
      Element.curvature(
        v.baseAddress!, baseAddress!, common: common, complement: complement, mean: mean, count)
    }
  }
}

extension Vector {
  /// softplus(−m), σ(m) and σ(−m) of each margin m in self, without cancellation; NaN where m is not finite.
  package func logistic(loss: Vector, probability: Vector, complement: Vector) {
    precondition(loss.count == count && probability.count == count && complement.count == count)
    assert(isDisjoint(from: loss, probability, complement), overlap)
    assert(loss.isDisjoint(from: probability, complement) && probability.isDisjoint(from: complement), overlap)
    if count == 0 { return }
    withElements { m in
      loss.withElements { loss in
        probability.withElements { p in
          complement.withElements { q in
            Scalar.logistic(
              m.baseAddress!, loss: loss.baseAddress!, p: p.baseAddress!, q: q.baseAddress!, count)
          }
        }
      }
    }
  }
}

extension Vector {
  /// self ← self + a·u, then u ← z + b·u; returns (‖u‖², ‖z‖²). One pass over memory, on all threads.
  package func advance(_ a: Scalar, _ u: Vector, by z: Vector, _ b: Scalar) -> (u: Double, z: Double) {
    assert(isDisjoint(from: u, z) && u.isDisjoint(from: z), overlap)
    return overBlocks(self, u, z) { x, n in Scalar.advance(a, x[0], x[2], b, x[1], n) }
      .reduce((0, 0)) { ($0.0 + $1.u, $0.1 + $1.z) }
  }
}

extension Vector {
  /// self ← f(x) and `derivative` ← f′(x), element by element, on all threads.
  package func assignActivation(_ function: ActivationFunction, of x: Vector, derivative: Vector) {
    precondition(count == x.count && count == derivative.count, "vectors differ in count")
    assert(isDisjoint(from: x, derivative) && derivative.isDisjoint(from: x), overlap)
    withElements { y in
      x.withElements { x in
        derivative.withElements { d in
          Threads.parallel(count, grain: 1 << 14) { range in
            guard !range.isEmpty else { return }
            Scalar.activate(
              function, x.baseAddress! + range.lowerBound, y.baseAddress! + range.lowerBound,
              derivative: d.baseAddress! + range.lowerBound, range.count)
          }
        }
      }
    }
  }

  /// self ← x·y, element by element, on all threads; x may be self.
  package func assignProduct(_ x: Vector, by y: Vector) {
    precondition(count == x.count && count == y.count, "vectors differ in count")
    assert((isSame(as: x) || isDisjoint(from: x)) && isDisjoint(from: y), overlap)
    withElements { z in
      x.withElements { x in
        y.withElements { y in
          Threads.parallel(count, grain: 1 << 15) { range in
            guard !range.isEmpty else { return }
            Scalar.multiply(
              x.baseAddress! + range.lowerBound, y.baseAddress! + range.lowerBound,
              into: z.baseAddress! + range.lowerBound, range.count)
          }
        }
      }
    }
  }
}

extension Matrix {
  /// Row i of self ← factors_i · row i, on all threads.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func scaleRows(by factors: Vector<Scalar>) {
    precondition(rows == factors.count, "one factor a row")
    assert(elements.isDisjoint(from: factors), overlap)
    elements.withElements { elements in
      factors.withElements { factors in
        Threads.parallel(rows, grain: max(1, 16384 / max(1, columns))) { range in
          for i in range {
            UnsafeMutableBufferPointer(rebasing: elements[i * columns..<(i + 1) * columns]).scale(factors[i])
          }
        }
      }
    }
  }

  /// Element ij of self ← element ij · `columnFactors`_j · `rowFactors`_i, in one pass on all threads.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func scale(rows rowFactors: Vector<Scalar>, columns columnFactors: Vector<Scalar>) {
    precondition(rows == rowFactors.count && columns == columnFactors.count, "one factor for each row and column")
    assert(elements.isDisjoint(from: rowFactors) && elements.isDisjoint(from: columnFactors), overlap)
    if elements.count == 0 { return }
    elements.withElements { elements in
      rowFactors.withElements { a in
        columnFactors.withElements { b in
          Threads.parallel(rows, grain: max(1, 16384 / columns)) { range in
            Scalar.scale(
              elements.baseAddress! + range.lowerBound * columns, rows: range.count, columns: columns,
              by: a.baseAddress! + range.lowerBound, b.baseAddress!)
          }
        }
      }
    }
  }

  /// Column j of self ← factors_j · column j of `source`, on all threads; `source` may be self.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func assignColumns(of source: Matrix, scaledBy factors: Vector<Scalar>) {
    precondition(rows == source.rows && columns == source.columns && columns == factors.count, "shapes do not fit")
    assert(elements.isSame(as: source.elements) || elements.isDisjoint(from: source.elements), overlap)
    assert(elements.isDisjoint(from: factors), overlap)
    if elements.count == 0 { return }
    elements.withElements { target in
      source.elements.withElements { source in
        factors.withElements { factors in
          Threads.parallel(rows, grain: max(1, 16384 / columns)) { rows in
            for i in rows {
              Scalar.multiply(
                source.baseAddress! + i * columns, factors.baseAddress!, into: target.baseAddress! + i * columns,
                columns)
            }
          }
        }
      }
    }
  }

  /// Row i of self ← factors_i · row i of `source`, on all threads. The two matrices share no memory.
  package func assignRows(of source: Matrix, scaledBy factors: Vector<Scalar>) {
    assignRows(of: source, columns: 0..<source.columns, scaledBy: factors)
  }

  /// Row i of self ← factors_i · the columns `range` of row i of `source`, on all threads. The two matrices share no
  /// memory.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func assignRows(of source: Matrix, columns range: Range<Int>, scaledBy factors: Vector<Scalar>) {
    precondition(
      rows == source.rows && columns == range.count && range.upperBound <= source.columns && rows == factors.count,
      "shapes do not fit")
    assert(elements.isDisjoint(from: source.elements, factors), overlap)
    let stride = source.columns
    elements.withElements { target in
      source.elements.withElements { source in
        factors.withElements { factors in
          Threads.parallel(rows, grain: max(1, 16384 / max(1, columns))) { rows in
            for i in rows {
              let start = i * stride + range.lowerBound
              UnsafeMutableBufferPointer(rebasing: target[i * columns..<(i + 1) * columns])
                .assignScaled(factors[i], UnsafeMutableBufferPointer(rebasing: source[start..<start + columns]))
            }
          }
        }
      }
    }
  }
}
