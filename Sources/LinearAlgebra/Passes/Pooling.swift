// Rows of the matrices are images, or their pooled values; the threads share the rows.

extension Matrix {
  /// self ← the largest number under the window at each position (rows × channels·positions).
  ///
  /// `indices`, of the same shape, ← the index of that number in its image: among equal numbers the first in row-major
  /// order, and NaN counts as the largest. Indices are numbers of the scalar type, which is exact because images are
  /// smaller than `Window.poolingLimit`.
  package func assignMaxima(of images: Matrix, _ window: Window, indices: Vector<Scalar>) {
    checkPooled(images, window)
    precondition(
      images.columns < Window.poolingLimit && window.padding <= window.kernel / 2 && indices.count == elements.count,
      "the windows cannot be searched")
    assert(indices.isDisjoint(from: elements, images.elements), overlap)
    indices.withElements { indices in
      withRows(of: images) { row, image, pooled in
        Scalar.maxPool(image, window, into: pooled, index: indices.baseAddress! + row * columns)
      }
    }
  }

  /// self[r, i] ← images[r, indices[r, i]], with the indices of `assignMaxima`.
  package func assignGathered(_ images: Matrix, indices: Vector<Scalar>) {
    precondition(indices.count == elements.count, "one index an element")
    assert(elements.isDisjoint(from: indices), overlap)
    indices.withElements { indices in
      withRows(of: images) { row, image, gathered in
        Scalar.gather(image, indices.baseAddress! + row * columns, into: gathered, columns)
      }
    }
  }

  /// self, as images, ← the sums of the `pooled` numbers at their indices: the adjoint of `assignGathered`.
  package func assignScattered(_ pooled: Matrix, indices: Vector<Scalar>) {
    precondition(indices.count == pooled.elements.count, "one index an element")
    assert(elements.isDisjoint(from: indices), overlap)
    indices.withElements { indices in
      withRows(of: pooled) { row, pooled, image in
        let count = indices.count / rows
        Scalar.scatter(pooled, indices.baseAddress! + row * count, count, into: image, count: columns)
      }
    }
  }

  /// self ← the mean of the numbers under the window at each position, zeros of the padding included.
  package func assignMeans(of images: Matrix, _ window: Window) {
    checkPooled(images, window)
    withRows(of: images) { _, image, pooled in Scalar.averagePool(image, window, into: pooled) }
  }

  /// self, as images, ← the adjoint of `assignMeans`.
  package func assignMeansAdjoint(_ pooled: Matrix, _ window: Window) {
    pooled.checkPooled(self, window)
    withRows(of: pooled) { _, pooled, image in Scalar.averageUnpool(pooled, window, into: image) }
  }

  /// Each row of self ← the transpose of the same row of `source`, read as a height × width matrix.
  package func assignTransposedRows(_ source: Matrix, height: Int, width: Int) {
    precondition(columns == height * width && source.columns == columns, "the rows do not fit")
    withRows(of: source) { _, x, y in Scalar.transpose(x, rows: height, columns: width, into: y) }
  }

  private func checkPooled(_ images: Matrix, _ window: Window) {
    precondition(
      images.columns == window.imageCount && columns == window.channels * window.positions, "the images do not fit")
  }

  /// Calls `body` on all threads with each row's number, the row of `source` and the row of self.
  private func withRows(
    of source: Matrix, _ body: (Int, UnsafePointer<Scalar>, UnsafeMutablePointer<Scalar>) -> Void
  ) {
    precondition(rows == source.rows, "matrices differ in rows")
    assert(elements.isDisjoint(from: source.elements), overlap)
    elements.withElements { target in
      source.elements.withElements { from in
        Threads.parallel(rows, grain: max(1, 1 << 15 / max(1, columns + source.columns))) { range in
          for row in range {
            body(row, from.baseAddress! + row * source.columns, target.baseAddress! + row * columns)
          }
        }
      }
    }
  }
}
